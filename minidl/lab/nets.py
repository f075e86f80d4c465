"""The networks of the lab: one design, a dozen knobs, everything else the same.

A network is a first layer, `depth` layers in a row or in residual blocks, and a last layer. All inner layers have the
same width, so that a plain network and a residual one of the same design have the same weights, and differ in nothing
but the additions. Its modules say where they stand: `first`, `block3.linear1`, `block3.norm1`, `block3.act1`, `last`.

plain    first-norm-act, (W-norm-act) ..., last                   a block is one layer
post     first-norm-act, act(shortcut + W-norm-act-W-norm) ..., last    He et al. 2015, arXiv 1512.03385, figure 2
pre      first, (shortcut + norm-act-W-norm-act-W) ..., norm-act-last   He et al. 2016, arXiv 1603.05027, figure 4(e)
"""
import math
from dataclasses import dataclass

import minidl
from minidl import nn

ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU,
               "silu": nn.SiLU, "elu": nn.ELU, "selu": nn.SELU, "linear": nn.Identity, "crelu": lambda: CReLU()}
INITS = ("he", "xavier", "pytorch", "orthogonal", "looks_linear", "fixup", "zero_gamma")


@dataclass(frozen=True)
class Design:
    """What a network of the lab is like.

    kind   : "mlp", or "cnn" of 3x3 convolutions that keep the size of the image, then its mean over the pixels
    depth  : weight layers between the first and the last; with residual=True a multiple of `branch`
    width  : features or channels of all these layers
    norm   : "none" or "batch"; without, the layers have biases
    init   : how weights start, each a normal distribution of variance sigma_w^2 / fan_in unless it says otherwise
             "he"           sigma_w^2 = 2: He et al. 2015, arXiv 1502.01852, equation 10
             "xavier"       sigma_w^2 = 1: Glorot & Bengio 2010, equation 12, for as many outputs as inputs
             "pytorch"      the layers' own first values, uniform with sigma_w^2 = 1/3, biases too
             "orthogonal"   orthogonal matrices, delta-orthogonal filters; times sqrt(2) before rectifiers
             "looks_linear" with activation "crelu": the network starts linear, Balduzzi et al. 2017, arXiv 1702.08591
             "fixup"        without norm: He, scaled down by blocks^(-1 / (2 branch - 2)) in the branches, whose last
                            layers are 0, as is `last`: Zhang et al. 2019, arXiv 1901.09321, section 4, rules 1 and 2
             "zero_gamma"   He, and the last norm of each branch starts at 0: Goyal et al. 2017, arXiv 1706.02677, 5.1
             or a number    that is sigma_w^2
    bias_variance : biases start normal with this variance, sigma_b^2
    branch : layers in a residual branch
    order  : of a residual block, "post" (activation after the addition) or "pre" (before the weights)
    shortcut_scale, branch_scale : lambda and alpha of lambda x + alpha F(x)
    in_features, in_channels : what the first layer of an mlp or a cnn reads; an mlp flattens images
    classes      : outputs of the last layer
    padding_mode : of the convolutions, as in nn.Conv2d
    """
    kind: str = "mlp"
    depth: int = 20
    width: int = 64
    residual: bool = False
    norm: str = "none"
    activation: str = "relu"
    init: str | float = "he"
    bias_variance: float = 0.0
    branch: int = 2
    order: str = "post"
    shortcut_scale: float = 1.0
    branch_scale: float = 1.0
    in_features: int = 64
    in_channels: int = 1
    classes: int = 10
    padding_mode: str = "zeros"

    def __post_init__(self):
        for name, choices in (("kind", ("mlp", "cnn")), ("norm", ("none", "batch")), ("order", ("post", "pre")),
                              ("activation", ACTIVATIONS)):
            one_of(name, getattr(self, name), choices)
        for name in ("depth", "width", "branch", "in_features", "in_channels", "classes"):
            if getattr(self, name) < 1:
                raise ValueError(f"Design: {name} is at least 1, not {getattr(self, name)}")
        if self.residual and self.depth % self.branch:
            raise ValueError(f"Design: depth {self.depth} does not divide into residual branches of {self.branch} layers")
        if isinstance(self.init, str):
            one_of("init", self.init, INITS, " or a number, sigma_w^2")
        elif not 0 < self.init < math.inf:
            raise ValueError(f"Design: init {self.init} is no variance to draw weights with; one is above 0 and finite")
        if not 0 <= self.bias_variance < math.inf:
            raise ValueError(f"Design: bias_variance should be 0 or more and finite, not {self.bias_variance}")
        if self.bias_variance and self.norm == "batch":
            raise ValueError("Design: bias_variance has no effect before a batch norm, which subtracts the bias again")
        if self.init == "fixup" and not (self.residual and self.norm == "none" and self.branch > 1):
            raise ValueError("Design: fixup is for residual networks without norm, with two layers or more in a branch")
        if self.init == "zero_gamma" and not (self.residual and self.norm == "batch" and self.order == "post"):
            raise ValueError("Design: zero_gamma is for residual networks with batch norm and order post, where a "
                             "branch ends with a norm")
        if (self.init == "looks_linear") != (self.activation == "crelu"):
            raise ValueError("Design: init looks_linear and activation crelu go together, not "
                             f"{self.init} with {self.activation}")
        if self.activation == "crelu" and self.residual and self.order == "post":
            raise ValueError("Design: crelu doubles the features, so that in a residual network it needs order pre")

    @property
    def blocks(self):
        """How many blocks there are: residual ones, or single layers."""
        return self.depth // self.branch if self.residual else self.depth


def one_of(name, value, choices, more=""):
    if value not in choices:
        raise ValueError(f"Design: {name} {value!r} is not one of {', '.join(choices)}{more}")


# ---- building


def build(design):
    """The network of a Design, with first weights from the default generator; in training mode.

    An mlp takes (N, in_features) or images of as many pixels, a cnn (N, in_channels, H, W); both give (N, classes).
    """
    before = design.residual and design.order == "pre"           # then norm and activation come before the weights
    net = {} if design.kind == "cnn" else {"flatten": nn.Flatten()}
    net["first"] = weights(design, design.in_channels if design.kind == "cnn" else design.in_features)
    if not before:
        net |= norm_and_act(design)
    for b in range(1, design.blocks + 1):
        net[f"block{b}"] = block(design)
    if before:
        net |= norm_and_act(design)
    if design.kind == "cnn":
        net |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    net["last"] = nn.Linear(fan(design), design.classes)
    net = nn.Sequential(net)
    first_values(net, design)
    return net


def block(design):
    """One layer of a plain network, or a residual block."""
    if not design.residual:
        return nn.Sequential({name_of(design) + "1": weights(design), **norm_and_act(design, 1)})
    branch, last = {}, design.branch
    for i in range(1, last + 1):
        if design.order == "pre":
            branch |= norm_and_act(design, i) | {f"{name_of(design)}{i}": weights(design)}
        else:
            branch |= {f"{name_of(design)}{i}": weights(design)} | norm_and_act(design, i)
    if design.order == "pre":
        return Residual(branch, nn.Identity(), design.shortcut_scale, design.branch_scale)
    act = branch.pop(f"act{last}")                               # it comes after the addition
    return Residual(branch, act, design.shortcut_scale, design.branch_scale)


class Residual(nn.Module):
    """act(lambda x + alpha F(x)), F being the modules of `branch` one after the other."""

    def __init__(self, branch, act, shortcut_scale, branch_scale):
        super().__init__()
        for name, module in branch.items():
            self.add_module(name, module)
        self.act = act
        self.in_branch, self.shortcut_scale, self.branch_scale = tuple(branch), shortcut_scale, branch_scale

    def forward(self, x):
        return self.act(self.shortcut_scale * x + self.branch_scale * self.branch(x))

    def branch(self, x):
        for name in self.in_branch:
            x = self.get_submodule(name)(x)
        return x

    def extra_repr(self):
        return f"shortcut_scale={self.shortcut_scale}, branch_scale={self.branch_scale}"


class CReLU(nn.Module):
    """relu(x) and relu(-x) side by side, (N, C, ...) -> (N, 2 C, ...): Shang et al. 2016, arXiv 1603.05201."""

    def forward(self, x):
        return minidl.cat([nn.functional.relu(x), nn.functional.relu(-x)], 1)


def weights(design, inputs=None):
    """A linear layer or a 3x3 convolution from `inputs` features, by default a layer's activations, to `width`."""
    inputs, bias = inputs or fan(design), design.norm == "none"
    if design.kind == "mlp":
        return nn.Linear(inputs, design.width, bias)
    return nn.Conv2d(inputs, design.width, 3, padding=1, bias=bias, padding_mode=design.padding_mode)


def fan(design):
    """The features that the activation hands on."""
    return 2 * design.width if design.activation == "crelu" else design.width


def norm_and_act(design, i=""):
    modules = {}
    if design.norm == "batch":
        modules[f"norm{i}"] = (nn.BatchNorm1d if design.kind == "mlp" else nn.BatchNorm2d)(design.width)
    return modules | {f"act{i}": ACTIVATIONS[design.activation]()}


def name_of(design):
    return "linear" if design.kind == "mlp" else "conv"


# ---- first values


def first_values(net, design):
    """Fill all weights and biases as design.init says."""
    if design.init == "pytorch":
        return
    for module in net.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            fill(module.weight, design, mirrored=module is not net.first)
            if module.bias is not None:
                nn.init.normal_(module.bias, 0.0, math.sqrt(design.bias_variance))
    if design.init == "fixup":
        fixup_(net, design)
    if design.init == "zero_gamma":
        for module in net.modules():
            if isinstance(module, Residual):
                nn.init.zeros_(module.get_submodule(module.in_branch[-1]).weight)


def fill(weight, design, mirrored):
    """One layer's weight; mirrored: it reads a CReLU."""
    if design.init == "looks_linear" and mirrored:
        nn.init.looks_linear_(weight)
    elif design.init in ("orthogonal", "looks_linear"):
        rectifier = design.activation in ("relu", "leaky_relu")
        gain = nn.init.calculate_gain(design.activation) if rectifier else 1.0
        (nn.init.delta_orthogonal_ if weight.ndim == 4 else nn.init.orthogonal_)(weight, gain)
    else:
        variance = {"he": 2.0, "fixup": 2.0, "zero_gamma": 2.0, "xavier": 1.0}.get(design.init, design.init)
        nn.init.normal_(weight, 0.0, math.sqrt(variance / nn.init.fans(weight)[0]))


def fixup_(net, design):
    """Zhang, Dauphin & Ma 2019, arXiv 1901.09321, section 4: after one step of gradient descent all blocks together
    have changed the output by as much as they would in a network of one block.

    The paper's rule 3 adds a scalar bias before each layer and a scalar factor to each branch; here layers have their own
    biases, and there is no factor.
    """
    nn.init.zeros_(net.last.weight)
    for module in net.modules():
        if isinstance(module, Residual):
            layers = [layer for layer in module.modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
            for layer in layers[:-1]:
                with minidl.no_grad():
                    layer.weight.mul_(design.blocks ** (-1 / (2 * design.branch - 2)))
            nn.init.zeros_(layers[-1].weight)
