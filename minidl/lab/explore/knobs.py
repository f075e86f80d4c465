"""The knobs: what can be set on the page and at the command line, within which bounds, and the network that they make."""
import math
from dataclasses import dataclass, fields

from minidl.lab.nets import INITS, Design

BOUNDS = {"depth": (1, 400), "width": (1, 512), "batch": (2, 1024), "seed": (0, 2 ** 31), "shortcut_scale": (0.0, 2.0)}
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "gelu", "silu", "elu", "linear")
SHORTCUTS = {"none": {}, "pre": {"residual": True, "order": "pre"}, "post": {"residual": True, "order": "post"}}
MOST = 5e9                                       # multiplications in a forward pass: seconds


@dataclass(frozen=True)
class Knobs:
    """A multi-layer perceptron at initialisation, and the batch that it is looked at with.

    depth          : layers between the first and the last, of `width` features
    gain           : sigma_w^2, weights being N(0, sigma_w^2 / fan_in); or the name of a way to start, as of nets.Design
    shortcut       : "none", or the order of a residual block of two layers: "pre" (He 2016) or "post" (He 2015)
    shortcut_scale : lambda of lambda x + F(x)
    precision      : float32, in which small gradients become exactly 0, or float64
    """
    depth: int = 20
    width: int = 64
    norm: str = "none"
    activation: str = "relu"
    gain: str | float = "he"
    shortcut: str = "none"
    shortcut_scale: float = 1.0
    batch: int = 64
    seed: int = 0
    precision: str = "float32"

    def __post_init__(self):
        for name, (low, high) in BOUNDS.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"explore: {name} is {getattr(self, name)}; {low} to {high} is wanted")
        for name, choices in (("shortcut", SHORTCUTS), ("activation", ACTIVATIONS), ("precision", ("float32", "float64"))):
            if getattr(self, name) not in choices:
                raise ValueError(f"explore: {name} {getattr(self, name)!r} is not one of {', '.join(choices)}")
        if self.depth * self.width ** 2 * self.batch > MOST:
            raise ValueError(f"explore: depth {self.depth}, width {self.width} and batch {self.batch} are "
                             f"{self.depth * self.width ** 2 * self.batch:.1e} multiplications; at most {MOST:.0e} are made")
        self.design()                                        # which refuses what cannot be built

    def design(self):
        """What `nets.build` builds."""
        return Design("mlp", self.depth, self.width, norm=self.norm, activation=self.activation, init=self.gain,
                      in_features=self.width, shortcut_scale=self.shortcut_scale, **SHORTCUTS[self.shortcut])

    @classmethod
    def read(cls, texts):
        """From words, {name: text}, as in the address of a page."""
        types, given = {field.name: field.type for field in fields(cls)}, {}
        for name, text in texts.items():
            if name not in types:
                raise ValueError(f"explore: there is no knob {name!r}; there are {', '.join(types)}")
            given[name] = gain(text) if name == "gain" else number(name, text, types[name])
        return cls(**given)

    def __str__(self):
        lambda_ = f", lambda {self.shortcut_scale:g}" if self.shortcut_scale != 1 else ""
        shape = {"none": "plain", "pre": f"residual (pre{lambda_})", "post": f"residual (post{lambda_})"}[self.shortcut]
        start = self.gain if isinstance(self.gain, str) else f"sigma_w^2 = {self.gain:g}"
        return (f"{shape}, {self.depth} layers of {self.width}, {self.activation}, {start}, norm {self.norm}; batch "
                f"{self.batch}, {self.precision}, seed {self.seed}")


def gain(text):
    """A number, or the name of a way to start."""
    if text in INITS:
        return text
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"explore: gain {text!r} is neither a number, sigma_w^2, nor one of {', '.join(INITS)}") from None


def number(name, text, kind):
    if kind is str:
        return text
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(f"explore: {name} is {text!r}; a {'whole ' * (kind is int)}number is wanted") from None
    if not math.isfinite(value):
        raise ValueError(f"explore: {name} is {text!r}; a finite number is wanted")
    return value
