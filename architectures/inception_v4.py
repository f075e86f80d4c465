"""Inception-v4 and Inception-ResNet-v2: large filters taken apart into rows and columns; and the same with shortcuts.

C. Szegedy, S. Ioffe, V. Vanhoucke, A. Alemi. Inception-v4, Inception-ResNet and the impact of residual connections on
learning. 2016, arXiv 1602.07261. Section 3, figures 3 to 9 (Inception-v4) and 16 to 19 (Inception-ResNet-v2).

The figures stand at the end of this file, in words. The authors' code (slim) decides where a figure leaves doubt, as
with the order of 1x7 and 7x1, and gives what the paper does not: batch norm's 0.001, dropout. Neither says how weights
start: here as He et al. 2015, arXiv 1502.01852.

Departures. Inception-ResNet-v2 is that of the code, which has the 55.8 million parameters that other papers quote: it
does not start with figure 3, it has twice as many blocks as figure 15, other numbers of channels after its 1x1
convolutions, and a last block without ReLU and with a scale of 1. As in the code, too, what is averaged are only pixels
that are there, not zeros around the image.
"""
import re

import minidl
from minidl import nn
from minidl.nn import functional as F

# ---- modules in words: what makes one also says how many channels it puts out


def layer(in_channels, word):
    """"3x3-96" is a convolution with filters of 3 rows and 3 columns, 96 of them, then batch norm and ReLU.

    The image keeps its size, but with "V" (valid) there are no zeros around it, and "/2V" is a stride of 2. "max"
    and "avg" are poolings of 3x3 pixels, of which "max" halves the image. Layers joined by "+" are branches.
    """
    if "+" in word:
        return branches(in_channels, word.replace("+", "|"))
    if word == "max":
        return nn.MaxPool2d(3, stride=2), in_channels
    if word == "avg":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False), in_channels
    rows, columns, channels, halved, valid = re.fullmatch(r"(\d)x(\d)-(\d+)(/2)?(V)?", word).groups()
    rows, columns, channels = int(rows), int(columns), int(channels)
    padding = 0 if valid else (rows // 2, columns // 2)
    conv = nn.Conv2d(in_channels, channels, (rows, columns), 2 if halved else 1, padding, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels, eps=0.001), nn.ReLU()), channels


def branches(in_channels, figure):
    """"1x1-96 | 1x1-64 3x3-96": rows of layers that read the same, and whose channels stand one after the other."""
    rows = [in_a_row(layer, in_channels, words.split()) for words in figure.split("|")]
    if len(rows) == 1:
        return rows[0]
    return Branches([row for row, _ in rows]), sum([channels for _, channels in rows])


def in_a_row(make, in_channels, parts):
    """What `make` makes of each part, one after the other."""
    row, channels = [], in_channels
    for part in parts:
        module, channels = make(channels, part)
        row.append(module)
    return nn.Sequential(*row), channels


class Branches(nn.Module):
    """(N, C, H, W) -> (N, sum of the branches' channels, H', W')"""

    def __init__(self, branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return minidl.cat([branch(x) for branch in self.branches], 1)


class LinearResidual(nn.Module):
    """x + scale * F(x), F being branches, and a 1x1 convolution to as many channels as there were: figures 16, 17, 19.

    Section 3.3: with more than 1000 filters and a scale of 1 the network dies early in training.
    """

    def __init__(self, in_channels, figure, scale):
        super().__init__()
        self.branches, channels = branches(in_channels, figure)
        self.linear = nn.Conv2d(channels, in_channels, 1)
        self.scale = scale

    def forward(self, x):
        return x + self.scale * self.linear(self.branches(x))


class Residual(LinearResidual):
    """relu(x + scale * F(x))"""

    def forward(self, x):
        return F.relu(super().forward(x))


# ---- networks


class InceptionV4(nn.Module):
    """Figure 9: (N, in_channels, 299, 299) -> (N, num_classes); other sizes from 75x75 on will do.

    figures : the modules by the names that figure 9 gives them; the stem is three
    blocks  : how many there are of A, B and C
    """

    def __init__(self, figures, blocks, num_classes=1000, in_channels=3, dropout=0.2):
        super().__init__()
        a, b, c = blocks
        self.stem, n = in_a_row(branches, in_channels, figures["stem"])
        self.a, n = in_a_row(branches, n, [figures["A"]] * a)
        self.reduction_a, n = branches(n, figures["reduction A"])
        self.b, n = in_a_row(branches, n, [figures["B"]] * b)
        self.reduction_b, n = branches(n, figures["reduction B"])
        self.c, n = in_a_row(branches, n, [figures["C"]] * c)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(n, num_classes)
        self.apply(self.init_)

    def forward(self, x):                                           # (N,    3, 299, 299)
        x = self.stem(x)                                            # (N,  384,  35,  35)
        x = self.a(x)                                               # (N,  384,  35,  35)
        x = self.reduction_a(x)                                     # (N, 1024,  17,  17)
        x = self.b(x)                                               # (N, 1024,  17,  17)
        x = self.reduction_b(x)                                     # (N, 1536,   8,   8)
        x = self.c(x)                                               # (N, 1536,   8,   8)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)                  # (N, 1536)
        return self.fc(self.dropout(x))                             # (N, 1000)

    def init_(self, module):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class InceptionResNetV2(nn.Module):
    """(N, in_channels, 299, 299) -> (N, num_classes); other sizes from 75x75 on will do.

    figures : the modules; the stem is three, and A, B and C are the branches of residual blocks
    blocks  : how many there are of A, B and C
    """

    def __init__(self, figures, blocks, num_classes=1000, in_channels=3, dropout=0.2):
        super().__init__()
        a, b, c = blocks
        self.stem, n = in_a_row(branches, in_channels, figures["stem"])
        self.a = nn.Sequential(*[Residual(n, figures["A"], 0.17) for _ in range(a)])
        self.reduction_a, n = branches(n, figures["reduction A"])
        self.b = nn.Sequential(*[Residual(n, figures["B"], 0.1) for _ in range(b)])
        self.reduction_b, n = branches(n, figures["reduction B"])
        self.c = nn.Sequential(*[Residual(n, figures["C"], 0.2) for _ in range(c - 1)],
                               LinearResidual(n, figures["C"], 1.0))
        self.last, n = branches(n, figures["last"])
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(n, num_classes)
        self.apply(self.init_)

    def forward(self, x):                                           # (N,    3, 299, 299)
        x = self.stem(x)                                            # (N,  320,  35,  35)
        x = self.a(x)                                               # (N,  320,  35,  35)
        x = self.reduction_a(x)                                     # (N, 1088,  17,  17)
        x = self.b(x)                                               # (N, 1088,  17,  17)
        x = self.reduction_b(x)                                     # (N, 2080,   8,   8)
        x = self.c(x)                                               # (N, 2080,   8,   8)
        x = self.last(x)                                            # (N, 1536,   8,   8)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)                  # (N, 1536)
        return self.fc(self.dropout(x))                             # (N, 1000)

    init_ = InceptionV4.init_


# ---- the figures, and the variants

INCEPTION_V4 = {
    "stem": (                                                       # figure 3
        "3x3-32/2V 3x3-32V 3x3-64 max+3x3-96/2V",
        "1x1-64 3x3-96V | 1x1-64 1x7-64 7x1-64 3x3-96V",
        "3x3-192/2V | max"),
    "A":                                                            # figure 4
        "1x1-96 | 1x1-64 3x3-96 | 1x1-64 3x3-96 3x3-96 | avg 1x1-96",
    "reduction A":                                                  # figure 7, with the numbers of table 1
        "3x3-384/2V | 1x1-192 3x3-224 3x3-256/2V | max",
    "B":                                                            # figure 5
        "1x1-384 | 1x1-192 1x7-224 7x1-256 | 1x1-192 7x1-192 1x7-224 7x1-224 1x7-256 | avg 1x1-128",
    "reduction B":                                                  # figure 8
        "1x1-192 3x3-192/2V | 1x1-256 1x7-256 7x1-320 3x3-320/2V | max",
    "C":                                                            # figure 6
        "1x1-256 | 1x1-384 1x3-256+3x1-256 | 1x1-384 3x1-448 1x3-512 1x3-256+3x1-256 | avg 1x1-256",
}

INCEPTION_RESNET_V2 = {
    "stem": (
        "3x3-32/2V 3x3-32V 3x3-64 max",
        "1x1-80 3x3-192V max",
        "1x1-96 | 1x1-48 5x5-64 | 1x1-64 3x3-96 3x3-96 | avg 1x1-64"),
    "A":                                                            # figure 16
        "1x1-32 | 1x1-32 3x3-32 | 1x1-32 3x3-48 3x3-64",
    "reduction A":                                                  # figure 7, with the numbers of table 1
        "3x3-384/2V | 1x1-256 3x3-256 3x3-384/2V | max",
    "B":                                                            # figure 17
        "1x1-192 | 1x1-128 1x7-160 7x1-192",
    "reduction B":                                                  # figure 18
        "1x1-256 3x3-384/2V | 1x1-256 3x3-288/2V | 1x1-256 3x3-288 3x3-320/2V | max",
    "C":                                                            # figure 19
        "1x1-192 | 1x1-192 1x3-224 3x1-256",
    "last": "1x1-1536",
}


def inception_v4(num_classes=1000, in_channels=3, dropout=0.2):
    """42,679,816 parameters."""
    return InceptionV4(INCEPTION_V4, (4, 7, 3), num_classes, in_channels, dropout)


def inception_resnet_v2(num_classes=1000, in_channels=3, dropout=0.2):
    """55,843,464 parameters."""
    return InceptionResNetV2(INCEPTION_RESNET_V2, (10, 20, 10), num_classes, in_channels, dropout)


# ---- small enough to learn within two minutes


def eighth(figures):
    """The figures with an eighth of the channels."""
    narrow = lambda words: re.sub(r"-(\d+)", lambda match: f"-{int(match[1]) // 8}", words)
    return {name: narrow(words) if isinstance(words, str) else tuple(map(narrow, words))
            for name, words in figures.items()}


def small_v4(num_classes=10, in_channels=1):
    """One block each of A, B and C and an eighth of the channels, for images of 75x75."""
    return InceptionV4(eighth(INCEPTION_V4), (1, 1, 1), num_classes, in_channels)


def small_resnet_v2(num_classes=10, in_channels=1):
    """One block each of A, B and C, and an eighth of the channels, for images of 75x75."""
    return InceptionResNetV2(eighth(INCEPTION_RESNET_V2), (1, 1, 1), num_classes, in_channels)
