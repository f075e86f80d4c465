"""LeNet-5: as it is drawn today, and as it was published.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner. Gradient-based learning applied to document recognition.
Proceedings of the IEEE 86(11), 2278-2324, November 1998. Section II.B, figure 2, appendix A.

Departures. `lenet5` is the simplification that everybody knows: plain averages in place of the trainable
subsampling, every map of C3 connected to every map of S2, tanh, a linear output with softmax. It starts from
the weights of another paper by the same authors, with which a short training comes further
(docs/lenet5.md has numbers). `lenet5_1998` is as published, but for its scores, which are minus the penalties
y_i of equation 7, so that here, too, the highest wins. Its bitmaps are read off the small figure 3 the way
that circulates on the web; single dots may be wrong. The paper does not give the j of equation 9. Neither
network is trained with the paper's stochastic diagonal Levenberg-Marquardt method (appendix C).
"""
import minidl
from minidl import nn
from minidl.nn import functional as F

ACTIVATIONS = {"tanh": F.tanh, "relu": F.relu}


class LeNet5(nn.Module):
    """Convolution and averaging, twice, then three full layers: (N, in_channels, 32, 32) -> (N, num_classes).

    C5 is a convolution, though its maps are single numbers: on larger images they are not, says the paper.
    """

    def __init__(self, num_classes=10, in_channels=1, activation="tanh"):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"lenet5: activation {activation!r} is not one of {', '.join(ACTIVATIONS)}")
        self.activation = activation
        self.c1 = nn.Conv2d(in_channels, 6, 5)
        self.c3 = nn.Conv2d(6, 16, 5)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, num_classes)
        self.apply(self.init_)

    def forward(self, x):                                       # (N,   1, 32, 32)
        f = ACTIVATIONS[self.activation]
        x = f(self.c1(x))                                       # (N,   6, 28, 28)
        x = F.avg_pool2d(x, 2)                                  # (N,   6, 14, 14)   S2
        x = f(self.c3(x))                                       # (N,  16, 10, 10)
        x = F.avg_pool2d(x, 2)                                  # (N,  16,  5,  5)   S4
        x = f(self.c5(x)).flatten(1)                            # (N, 120)
        x = f(self.f6(x))                                       # (N,  84)
        return self.output(x)                                   # (N,  10)

    def init_(self, module):
        """Standard deviation 1 / sqrt(fan-in), biases 0, for inputs that are not correlated.

        LeCun, Bottou, Orr, Müller. Efficient BackProp. Neural Networks: Tricks of the Trade, 1998. Equation 16.
        """
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="linear")
            nn.init.zeros_(module.bias)


class LeNet5Of1998(nn.Module):
    """The published network, (N, in_channels, 32, 32) -> (N, 10): minus the penalties of the ten digits."""

    def __init__(self, in_channels=1):
        super().__init__()
        self.c1 = nn.Conv2d(in_channels, 6, 5)
        self.s2 = Subsampling(6)
        self.c3 = SparseConv2d(TABLE_1, 5)
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
        self.output = RadialBasis(digit_bitmaps())
        self.apply(self.init_)

    def forward(self, x):                                       # (N,   1, 32, 32)
        x = squash(self.c1(x))                                  # (N,   6, 28, 28)
        x = squash(self.s2(x))                                  # (N,   6, 14, 14)
        x = squash(self.c3(x))                                  # (N,  16, 10, 10)
        x = squash(self.s4(x))                                  # (N,  16,  5,  5)
        x = squash(self.c5(x)).flatten(1)                       # (N, 120)
        x = squash(self.f6(x))                                  # (N,  84)
        return self.output(x)                                   # (N,  10)

    def init_(self, module):
        """Appendix A: uniform in ±2.4 / fan-in, biases too.

        The deviation of a unit's sum then grows with the fan-in, as it does where the inputs are correlated.
        """
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            uniform_(module.weight, fan_in)
            uniform_(module.bias, fan_in)
        elif isinstance(module, (Subsampling, SparseConv2d)):
            module.reset_parameters()


def squash(a):
    """Equation 6, A tanh(S a); with A = 1.7159 and S = 2/3, f(1) = 1 and f(-1) = -1, its sharpest bends."""
    return 1.7159 * F.tanh(2 / 3 * a)


class Subsampling(nn.Module):
    """Half as wide and high: four neighbours are added, times one coefficient a map, plus one bias a map."""

    def __init__(self, maps):
        super().__init__()
        self.weight = nn.Parameter(minidl.empty(maps, 1, 1))
        self.bias = nn.Parameter(minidl.empty(maps, 1, 1))

    def forward(self, x):                                       # (N, maps, H, W)
        return self.weight * (4 * F.avg_pool2d(x, 2)) + self.bias

    def reset_parameters(self):
        uniform_(self.weight, 4)
        uniform_(self.bias, 4)


class SparseConv2d(nn.Module):
    """A convolution whose map i reads the maps table[i] of its input, and no other.

    weight (crosses, size, size) has a kernel for every cross in the table, row by row; forward lays them out
    as the filters of an ordinary convolution, with zeros between.
    """

    def __init__(self, table, size):
        super().__init__()
        self.table = table
        crosses = [(i, j) for i, maps in enumerate(table) for j in maps]
        absent = len(crosses)                                   # the number of the kernel of zeros
        maps = 1 + max(j for _, j in crosses)
        self.place = [[crosses.index((i, j)) if (i, j) in crosses else absent for j in range(maps)]
                      for i in range(len(table))]
        self.weight = nn.Parameter(minidl.empty(len(crosses), size, size))
        self.bias = nn.Parameter(minidl.empty(len(table)))

    def forward(self, x):                                       # (N, 6, 14, 14)
        kernels = F.pad(self.weight, (0, 0, 0, 0, 0, 1))        # (61, 5, 5), the last one zero
        return F.conv2d(x, kernels[self.place, :], self.bias)   # filters (16, 6, 5, 5) -> (N, 16, 10, 10)

    def macs(self, shape):
        """Multiplications for an output of `shape` (16, 10, 10), without those with the zeros between."""
        return self.weight.numel() * shape[1] * shape[2]

    def reset_parameters(self):
        """A map that reads few maps has a small fan-in, and large weights."""
        first = 0
        for i, maps in enumerate(self.table):
            fan_in = len(maps) * self.weight[0].numel()
            uniform_(self.weight[first:first + len(maps)], fan_in)
            uniform_(self.bias[i:i + 1], fan_in)
            first += len(maps)


class RadialBasis(nn.Module):
    """Equation 7: y_i = sum_j (x_j - w_ij)^2 for x (N, 84) and centres w (10, 84); returns -y (N, 10)."""

    def __init__(self, centres):
        super().__init__()
        self.register_buffer("centres", centres)

    def forward(self, x):
        w = self.centres
        y = (x * x).sum(1, keepdim=True) - 2 * F.linear(x, w) + (w * w).sum(1)      # x² - 2 x w + w²
        return -y


def mean_penalty(scores, labels):
    """Equation 8: the right classes' mean penalty. scores (N, 10) are minus the penalties, labels (N,)."""
    return -scores.gather(1, labels.unsqueeze(1)).mean()


def map_criterion(scores, labels, j=1.0):
    """Equation 9, maximum a posteriori: the mean of y_right + log(e^-j + sum_i e^-y_i).

    That is cross entropy with one more class, "rubbish", whose penalty is always j: penalties that are much
    larger than j are not pushed further up. scores (N, 10) are minus the penalties y, labels (N,).
    """
    rubbish = minidl.full((len(scores), 1), -j, dtype=scores.dtype, device=scores.device)
    return F.cross_entropy(minidl.cat([scores, rubbish], 1), labels)


def uniform_(x, fan_in):
    nn.init.uniform_(x, -2.4 / fan_in, 2.4 / fan_in)


# Table I: the maps of S2 that each map of C3 reads. Three neighbours, four neighbours, four with a gap, all.
TABLE_1 = [
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 0), (5, 0, 1),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (3, 4, 5, 0), (4, 5, 0, 1), (5, 0, 1, 2),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
]

# Figure 3, the digits: 7 x 12 dots, ink is +1 and paper -1. A bar tells 0, 2, 4 and 5 from letters.
BITMAPS = """
.#####.  ...##..  .#####.  #######  .#####.  .#####.  ..####.  #######  .#####.  .#####.
.......  ..###..  .......  .....##  .......  .......  .##....  .....##  ##...##  ##..###
..###..  .####..  .#####.  ....##.  .......  #######  ##.....  .....##  ##...##  ##...##
.##.##.  ...##..  ##...##  ...##..  .##..##  ##.....  ##.....  ....##.  ##...##  ##...##
##...##  ...##..  #....##  ..####.  .##..##  ##.....  #####..  ...##..  .#####.  ##..###
##...##  ...##..  ....##.  .....##  ###..##  .####..  ###..##  ...##..  ##...##  .######
##...##  ...##..  ..###..  .....##  ##...##  ..####.  ##...##  ..##...  ##...##  .....##
##...##  ...##..  .##....  .....##  ##...##  .....##  ##...##  ..##...  ##...##  .....##
.##.##.  ...##..  ##.....  ##...##  ##..###  ##...##  ###..##  ..##...  ##...##  ....##.
..###..  .######  #######  .#####.  .######  .#####.  .#####.  ..##...  .#####.  .####..
.......  .......  .......  .......  .....##  .......  .......  .......  .......  .......
.......  .......  .......  .......  .....##  .......  .......  .......  .......  .......
"""


def digit_bitmaps():
    """The ten bitmaps as centres (10, 84), row by row, of +1 and -1."""
    rows = [line.split() for line in BITMAPS.split("\n") if line]                       # 12 rows of 10 digits
    dots = ["".join(row[digit] for row in rows) for digit in range(10)]
    return minidl.tensor([[1.0 if dot == "#" else -1.0 for dot in digit] for digit in dots])


def lenet5(num_classes=10, in_channels=1, activation="tanh"):
    """61,706 parameters. activation: "tanh", or "relu" as courses have it."""
    return LeNet5(num_classes, in_channels, activation)


def lenet5_1998(num_classes=10, in_channels=1):
    """60,000 parameters; to be trained with `map_criterion` or `mean_penalty`."""
    if num_classes != 10:
        raise ValueError(f"lenet5_1998: its output layer is drawings of the ten digits, so there can be no "
                         f"{num_classes} classes; lenet5 has any number")
    return LeNet5Of1998(in_channels)


# ---- small enough to learn within two minutes


def small(num_classes=10, in_channels=1):
    """LeNet-5 itself, with ReLU, for images of 32x32."""
    return LeNet5(num_classes, in_channels, "relu")
