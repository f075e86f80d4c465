"""GoogLeNet: filters of three sizes side by side, made cheap by 1x1 convolutions that leave them fewer channels to read.

C. Szegedy, W. Liu, Y. Jia, P. Sermanet, S. Reed, D. Anguelov, D. Erhan, V. Vanhoucke, A. Rabinovich. Going deeper with
convolutions. 2014, arXiv 1409.4842. Sections 4 and 5, table 1, figures 2 and 3.

What the 1x1 convolutions save: at 28x28 pixels of 256 channels, with 128, 192 and 96 filters of 1x1, 3x3 and 5x5, the
naive module costs 854,196,224 MACs and puts out 672 channels; with 64 channels before each of the large filters and
after the pooling it is 271,351,808 and 480. (A slide that is often copied says 358 million.)

Departures. Table 1's column of parameters does not follow from its columns of channels, which are what counts here: its
6.8 million are 7.0. The windows of the halving poolings may reach over the border, as it takes to come from 112 pixels
to 56. The paper does not give the constants of its normalisation: they are AlexNet's. Nor does it say how weights
start: here as He et al. 2015, arXiv 1502.01852. torchvision's network of this name is another one, with batch norm, and
3x3 filters in the place of 5x5.
"""
import minidl
from minidl import nn
from minidl.nn import functional as F

# ---- modules: (N, in_channels, H, W) -> (N, out_channels, H, W), the channels of four branches one after the other


class NaiveInception(nn.Module):
    """Figure 2(a): 1x1, 3x3, 5x5 filters, and the pooling of all that was there."""

    def __init__(self, in_channels, ones, threes, fives):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, ones, 1)
        self.conv3 = nn.Conv2d(in_channels, threes, 3, padding=1)
        self.conv5 = nn.Conv2d(in_channels, fives, 5, padding=2)
        self.out_channels = ones + threes + fives + in_channels

    def forward(self, x):
        ones = F.relu(self.conv1(x))
        threes = F.relu(self.conv3(x))
        fives = F.relu(self.conv5(x))
        pooled = F.max_pool2d(x, 3, stride=1, padding=1)
        return minidl.cat([ones, threes, fives, pooled], 1)


class Inception(nn.Module):
    """Figure 2(b), with the columns of table 1: how many filters there are, and how many channels the large ones read.

    pool_proj : how many channels are left of the pooling
    """

    def __init__(self, in_channels, ones, threes_reduce, threes, fives_reduce, fives, pool_proj):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, ones, 1)
        self.reduce3 = nn.Conv2d(in_channels, threes_reduce, 1)
        self.conv3 = nn.Conv2d(threes_reduce, threes, 3, padding=1)
        self.reduce5 = nn.Conv2d(in_channels, fives_reduce, 1)
        self.conv5 = nn.Conv2d(fives_reduce, fives, 5, padding=2)
        self.project = nn.Conv2d(in_channels, pool_proj, 1)
        self.out_channels = ones + threes + fives + pool_proj

    def forward(self, x):
        ones = F.relu(self.conv1(x))
        threes = F.relu(self.conv3(F.relu(self.reduce3(x))))
        fives = F.relu(self.conv5(F.relu(self.reduce5(x))))
        pooled = F.relu(self.project(F.max_pool2d(x, 3, stride=1, padding=1)))
        return minidl.cat([ones, threes, fives, pooled], 1)


# ---- the network


class Auxiliary(nn.Module):
    """A classifier halfway up, so that the layers below hear of the labels sooner: the list in section 5.

    (N, in_channels, size, size) -> (N, num_classes)
    """

    def __init__(self, in_channels, size, num_classes):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 128, 1)
        self.fc1 = nn.Linear(128 * ((size - 5) // 3 + 1) ** 2, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(0.7)

    def forward(self, x):                                           # (N,  512, 14, 14), or 528
        x = F.avg_pool2d(x, 5, stride=3)                            # (N,  512,  4,  4)
        x = F.relu(self.conv(x)).flatten(1)                         # (N,  128 * 4 * 4)
        x = self.dropout(F.relu(self.fc1(x)))                       # (N, 1024)
        return self.fc2(x)                                          # (N, 1000)


class GoogLeNet(nn.Module):
    """Table 1: (N, in_channels, 224, 224) -> (N, num_classes); without `aux`, any other size of images will do.

    modules : the names of the inception modules and their columns in table 1; before 4a and 5a the image is halved
    aux     : in training there are three scores, for `loss_of_all`: those of the network, after 4a and after 4d
    width   : the channels of the first convolution, a third of the second's
    """

    def __init__(self, modules, num_classes=1000, in_channels=3, dropout=0.4, aux=False, image_size=224, width=64):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3)
        self.reduce2 = nn.Conv2d(width, width, 1)
        self.conv2 = nn.Conv2d(width, 3 * width, 3, padding=1)
        self.inception, n = nn.ModuleDict(), 3 * width
        for name, columns in modules.items():
            self.inception[name] = Inception(n, *columns)
            n = self.inception[name].out_channels
        self.fc = nn.Linear(n, num_classes)
        self.norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.dropout = nn.Dropout(dropout)
        self.aux1 = self.aux2 = None
        if aux:
            size = (image_size + 1) // 2 // 2 // 2 // 2             # a convolution and three poolings
            self.aux1 = Auxiliary(self.inception["4a"].out_channels, size, num_classes)
            self.aux2 = Auxiliary(self.inception["4d"].out_channels, size, num_classes)
        self.apply(self.init_)

    def forward(self, x):                                           # (N,    3, 224, 224)
        x = F.relu(self.conv1(x))                                   # (N,   64, 112, 112)
        x = self.norm(self.pool(x))                                 # (N,   64,  56,  56)
        x = F.relu(self.reduce2(x))                                 # (N,   64,  56,  56)
        x = self.norm(F.relu(self.conv2(x)))                        # (N,  192,  56,  56)
        x = self.pool(x)                                            # (N,  192,  28,  28)
        for name, module in self.inception.items():
            if name in ("4a", "5a"):
                x = self.pool(x)
            x = module(x)                                           # (N,  256,  28,  28) and so on, see TABLE_1
            if name == "4a":
                low = x
            if name == "4d":
                high = x
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)                  # (N, 1024)
        scores = self.fc(self.dropout(x))                           # (N, 1000)
        if self.aux1 is None or not self.training:
            return scores
        return scores, self.aux1(low), self.aux2(high)

    def init_(self, module):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)


def loss_of_all(scores, labels):
    """Section 5: the cross-entropy of the network, and 0.3 times that of each auxiliary classifier."""
    final, low, high = scores
    return F.cross_entropy(final, labels) + 0.3 * (F.cross_entropy(low, labels) + F.cross_entropy(high, labels))


# ---- the variants

TABLE_1 = {                             # 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool proj
    "3a": (64, 96, 128, 16, 32, 32),                                # (N,  256, 28, 28)
    "3b": (128, 128, 192, 32, 96, 64),                              # (N,  480, 28, 28)
    "4a": (192, 96, 208, 16, 48, 64),                               # (N,  512, 14, 14)
    "4b": (160, 112, 224, 24, 64, 64),                              # (N,  512, 14, 14)
    "4c": (128, 128, 256, 24, 64, 64),                              # (N,  512, 14, 14)
    "4d": (112, 144, 288, 32, 64, 64),                              # (N,  528, 14, 14)
    "4e": (256, 160, 320, 32, 128, 128),                            # (N,  832, 14, 14)
    "5a": (256, 160, 320, 32, 128, 128),                            # (N,  832,  7,  7)
    "5b": (384, 192, 384, 48, 128, 128),                            # (N, 1024,  7,  7)
}


def googlenet(num_classes=1000, in_channels=3, dropout=0.4, aux=False):
    """6,998,552 parameters, and 13,378,280 with the auxiliary classifiers, which only training uses."""
    return GoogLeNet(TABLE_1, num_classes, in_channels, dropout, aux)


# ---- small enough to learn within two minutes


def small(num_classes=10, in_channels=1):
    """Five modules of nine with a quarter of the channels, no dropout, for images of 56x56."""
    modules = {name: [channels // 4 for channels in TABLE_1[name]] for name in ("3a", "3b", "4a", "4e", "5a")}
    return GoogLeNet(modules, num_classes, in_channels, dropout=0.0, width=16)
