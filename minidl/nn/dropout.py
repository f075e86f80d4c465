"""Layers that drop something in training, and nothing in eval()."""
from minidl.nn import functional as F
from minidl.nn.module import Module


class _Dropout(Module):
    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p is a probability from 0 to 1, not {p}")
        self.p, self.inplace = p, inplace

    def extra_repr(self):
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Each number becomes 0 with probability p; the others grow by 1 / (1 - p), so that the mean stays.

    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".
    """

    def forward(self, input):
        return F.dropout(input, self.p, self.training)


class Dropout2d(_Dropout):
    """Whole channels of (N, C, H, W) become 0 with probability p: Tompson et al. 2015, arXiv 1411.4280."""

    def forward(self, input):
        return F.dropout2d(input, self.p, self.training)


class DropPath(Module):
    """Whole examples of a residual branch become 0 with probability p: "stochastic depth", Huang et al. 2016,
    arXiv 1603.09382. Those that stay grow by 1 / (1 - p)."""

    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"DropPath: p is a probability from 0 to 1, not {p}")
        self.p = p

    def forward(self, input):
        return F.drop_path(input, self.p, self.training)

    def extra_repr(self):
        return f"p={self.p}"
