"""The grid: which networks are looked at, and what theory says about each."""
from dataclasses import dataclass

from minidl.lab.nets import Design

# What is called a gain: the activation, and how weights start.
GAINS = {"He": ("relu", "he"), "Xavier": ("relu", "xavier"), "PyTorch default": ("relu", "pytorch"),
         "sigmoid": ("sigmoid", "xavier"), "orthogonal": ("relu", "orthogonal"), "Fixup": ("relu", "fixup"),
         "zero-gamma": ("relu", "zero_gamma")}
SHAPES = {"plain": {}, "residual": {"residual": True, "order": "pre"},
          "residual, post": {"residual": True, "order": "post"}}
NORMS = {"none": "no norm", "batch": "batch norm"}
LAYERS = (8, 20, 32, 44, 56)                     # 6 n + 2, as He et al. 2015 count: first and last included


@dataclass(frozen=True)
class Case:
    """A network of the grid; `layers` counts all of its weight layers, as the names of ResNets do."""
    shape: str
    norm: str
    gain: str
    layers: int

    @property
    def exists(self):
        """Fixup is for residual nets without norm, zero-gamma for those whose branches end with one."""
        if self.gain == "Fixup":
            return self.shape == "residual" and self.norm == "none"
        return self.gain != "zero-gamma" or self.shape == "residual, post" and self.norm == "batch"

    @property
    def layers_per_block(self):
        return 1 if self.shape == "plain" else 2

    @property
    def name(self):
        return f"{self.shape}-{self.layers}" if self.shape != "residual, post" else f"residual-{self.layers} (post)"

    def design(self, kind, width):
        activation, init = GAINS[self.gain]
        return Design(kind, depth_of(self.layers), width, norm=self.norm, activation=activation, init=init,
                      **SHAPES[self.shape])


def depth_of(layers):
    """The layers between the first and the last, as a Design counts."""
    if layers < 4 or layers % 2:
        raise ValueError(f"lab: a network of {layers} layers is none to compare: depths are even, because a residual branch "
                         "has two layers, and at least 4, first and last included")
    return layers - 2


def grid(layers=LAYERS):
    """All cases that exist."""
    cases = [Case(shape, norm, gain, n) for norm in NORMS for shape in SHAPES for gain in GAINS for n in layers]
    return [case for case in cases if case.exists]

A = 1.46694
def stub(self, design, batch, input_variance=1.0):
    from math import sqrt
    L=design.blocks
    s2={"he":2,"xavier":1,"pytorch":1/3,"orthogonal":2}.get(design.init)
    if self.shape=="plain":
        f=[sqrt({"none": s2/2 if s2 and design.activation=="relu" else .0557, "batch": A if design.activation=="relu" else 1.0336}[self.norm])]*L
    elif design.init in("fixup","zero_gamma"): f=[1.0]*L
    elif self.shape=="residual" and design.activation=="relu":
        f=[sqrt(1+(s2/2)**2)]*L if self.norm=="none" else [sqrt(1+A**2/(l+input_variance*A)) for l in range(L)]
    else: return None
    t=[1.0]
    for x in reversed(f): t.insert(0,t[0]*x)
    return t
Case.theory=stub
