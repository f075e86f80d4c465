"""DenseNet, MobileNetV2, ShuffleNetV2 and EfficientNet beside plain PyTorch ones with torchvision's names of layers."""
from collections import OrderedDict

import numpy as np
import pytest

import minidl
from architectures import build, densenet, efficientnet, mobilenet, shufflenet
from minidl.nn import functional as F

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity
nn = torch.nn


# ---- twins, from the papers' tables; stochastic depth and dropout are left out, and switched off in ours


class DenseNet(nn.Module):
    def __init__(self, growth, blocks, channels, num_classes):
        super().__init__()
        layers = [("conv0", nn.Conv2d(3, channels, 7, 2, 3, bias=False)), ("norm0", nn.BatchNorm2d(channels)),
                  ("relu0", nn.ReLU()), ("pool0", nn.MaxPool2d(3, 2, 1))]
        for b, count in enumerate(blocks, 1):
            block = nn.Module()
            for i in range(1, count + 1):
                block.add_module(f"denselayer{i}", nn.Sequential(OrderedDict(
                    norm1=nn.BatchNorm2d(channels), relu1=nn.ReLU(),
                    conv1=nn.Conv2d(channels, 4 * growth, 1, bias=False),
                    norm2=nn.BatchNorm2d(4 * growth), relu2=nn.ReLU(),
                    conv2=nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False))))
                channels += growth
            layers.append((f"denseblock{b}", block))
            if b < len(blocks):
                layers.append((f"transition{b}", nn.Sequential(OrderedDict(
                    norm=nn.BatchNorm2d(channels), relu=nn.ReLU(),
                    conv=nn.Conv2d(channels, channels // 2, 1, bias=False), pool=nn.AvgPool2d(2)))))
                channels //= 2
        layers.append(("norm5", nn.BatchNorm2d(channels)))
        self.features = nn.ModuleDict(OrderedDict(layers))
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x):
        for name, layer in self.features.items():
            if name.startswith("denseblock"):
                made = [x]
                for dense in layer.children():
                    made.append(dense(torch.cat(made, 1)))
                x = torch.cat(made, 1)
            else:
                x = layer(x)
        return self.classifier(x.relu().mean((2, 3)))


def conv(a, b, size, stride=1, groups=1, act=nn.ReLU, **norm):
    return [nn.Conv2d(a, b, size, stride, (size - 1) // 2, groups=groups, bias=False), nn.BatchNorm2d(b, **norm),
            *([act()] if act else [])]


class Residual(nn.Module):
    """A block under the name that torchvision has for it; what it reads is added where that is as large."""

    def __init__(self, name, layers, added):
        super().__init__()
        self.add_module(name, nn.Sequential(*layers))
        self.added = added

    def forward(self, x):
        [block] = self.children()
        return x + block(x) if self.added else block(x)


def mobilenet_v2_twin(stages, last, num_classes):
    a, features = 32, [nn.Sequential(*conv(3, 32, 3, 2, act=nn.ReLU6))]
    for t, c, n, s in stages:
        for stride in [s] + [1] * (n - 1):
            wide = [] if t == 1 else [nn.Sequential(*conv(a, t * a, 1, act=nn.ReLU6))]
            deep = nn.Sequential(*conv(t * a, t * a, 3, stride, groups=t * a, act=nn.ReLU6))
            features.append(Residual("conv", [*wide, deep, *conv(t * a, c, 1, act=None)], stride == 1 and a == c))
            a = c
    features.append(nn.Sequential(*conv(a, last, 1, act=nn.ReLU6)))
    return Classifier(features, last, num_classes)


class Classifier(nn.Module):
    def __init__(self, features, channels, num_classes):
        super().__init__()
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(0.0), nn.Linear(channels, num_classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class ShuffleUnit(nn.Module):
    def __init__(self, a, b, stride):
        super().__init__()
        half = b // 2
        self.branch1 = nn.Sequential(*(
            [] if stride == 1 else conv(a, a, 3, 2, groups=a, act=None) + conv(a, half, 1)))
        self.branch2 = nn.Sequential(*conv(half if stride == 1 else a, half, 1),
                                     *conv(half, half, 3, stride, groups=half, act=None), *conv(half, half, 1))
        self.stride = stride

    def forward(self, x):
        half = x.shape[1] // 2
        left, right = (x[:, :half], x[:, half:]) if self.stride == 1 else (self.branch1(x), x)
        return torch.stack((left, self.branch2(right)), 2).flatten(1, 2)        # one from the left, one from the right


class ShuffleNetV2(nn.Module):
    def __init__(self, widths, units, num_classes):
        super().__init__()
        self.conv1 = nn.Sequential(*conv(3, widths[0], 3, 2))
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for i in range(3):
            a, b = widths[i:i + 2]
            self.add_module(f"stage{i + 2}", nn.Sequential(
                ShuffleUnit(a, b, 2), *[ShuffleUnit(b, b, 1) for _ in range(units[i] - 1)]))
        self.conv5 = nn.Sequential(*conv(widths[3], widths[4], 1))
        self.fc = nn.Linear(widths[4], num_classes)

    def forward(self, x):
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(x.mean((2, 3)))


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        means = x.mean((2, 3), keepdim=True)
        return self.fc2(nn.functional.silu(self.fc1(means))).sigmoid() * x


def efficientnet_twin(stages, last, num_classes):
    """stages: expansion, kernel size, stride, channels, blocks."""
    how = {"eps": 1e-3, "momentum": 0.01}
    a, features = 32, [nn.Sequential(*conv(3, 32, 3, 2, act=nn.SiLU, **how))]
    for t, k, s, c, n in stages:
        stage = []
        for stride in [s] + [1] * (n - 1):
            wide = [] if t == 1 else [nn.Sequential(*conv(a, t * a, 1, act=nn.SiLU, **how))]
            deep = nn.Sequential(*conv(t * a, t * a, k, stride, groups=t * a, act=nn.SiLU, **how))
            narrow = nn.Sequential(*conv(t * a, c, 1, act=None, **how))
            layers = [*wide, deep, SqueezeExcitation(t * a, a // 4), narrow]
            stage.append(Residual("block", layers, stride == 1 and a == c))
            a = c
        features.append(nn.Sequential(*stage))
    features.append(nn.Sequential(*conv(a, last, 1, act=nn.SiLU, **how)))
    return Classifier(features, last, num_classes)


# ---- ours and theirs: the published size, whose names and shapes are compared, and a small one, which is run

INVERTED = (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)
MBCONV = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
          (6, 3, 1, 320, 1))
FEW_INVERTED = (1, 8, 1, 1), (6, 8, 2, 2), (6, 16, 1, 1)
FEW_MBCONV = (1, 3, 1, 16, 2), (6, 5, 2, 24, 2), (4, 3, 1, 16, 1)

PUBLISHED = {
    "densenet121": lambda: DenseNet(32, (6, 12, 24, 16), 64, 1000),
    "densenet169": lambda: DenseNet(32, (6, 12, 32, 32), 64, 1000),
    "densenet201": lambda: DenseNet(32, (6, 12, 48, 32), 64, 1000),
    "densenet161": lambda: DenseNet(48, (6, 12, 36, 24), 96, 1000),
    "mobilenet_v2": lambda: mobilenet_v2_twin(INVERTED, 1280, 1000),
    "shufflenet_v2": lambda: ShuffleNetV2((24, 116, 232, 464, 1024), (4, 8, 4), 1000),
    "efficientnet_b0": lambda: efficientnet_twin(MBCONV, 1280, 1000),
}

SMALL = {
    "densenet121": (
        lambda: densenet.DenseNet(densenet.imagenet_stem(3, 6), densenet.BottleneckLayer, (2, 3, 1, 2), 3, 0.5, 5),
        lambda: DenseNet(3, (2, 3, 1, 2), 6, 5), 64),
    "mobilenet_v2": (
        lambda: mobilenet.MobileNetV2(FEW_INVERTED, 5, dropout=0.0, last_channels=16),
        lambda: mobilenet_v2_twin(FEW_INVERTED, 16, 5), 20),
    "shufflenet_v2": (
        lambda: shufflenet.ShuffleNetV2((4, 8, 12, 16, 10), (3, 2, 2), 5),
        lambda: ShuffleNetV2((4, 8, 12, 16, 10), (3, 2, 2), 5), 64),
    "efficientnet_b0": (
        lambda: efficientnet.EfficientNet(FEW_MBCONV, 1.0, 1.0, 0.0, 5, survival=1.0, last_channels=16),
        lambda: efficientnet_twin(FEW_MBCONV, 16, 5), 20),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_keys_and_shapes_are_those_of_torchvision(name):
    """MobileNetV2's layers have other names here; their order and shapes are the same."""
    with minidl.device("meta"), torch.device("meta"):
        ours, theirs = build(name).state_dict(), PUBLISHED[name]().state_dict()
    shapes = [(key, x.shape) for key, x in ours.items()], [(key, tuple(x.shape)) for key, x in theirs.items()]
    if name == "mobilenet_v2":
        shapes = [[shape for _, shape in pairs] for pairs in shapes]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", SMALL)
def test_outputs_and_all_gradients_are_those_of_pytorch(name):
    make_ours, make_theirs, size = SMALL[name]
    ours, theirs = with_any_weights(make_ours().double()), make_theirs().double()
    keys = list(theirs.state_dict()) if name == "mobilenet_v2" else list(ours.state_dict())
    theirs.load_state_dict({key: torch.tensor(x.numpy()) for key, x in zip(keys, ours.state_dict().values(), strict=True)})
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((3, 3, size, size)), rng.integers(0, 5, 3)
    for model in (ours, theirs):
        model.train()
    agree(ours, theirs, images, labels)                     # running statistics change, and with them what eval() sees
    for model in (ours, theirs):
        model.eval()
        model.zero_grad()
    agree(ours, theirs, images, labels)


def with_any_weights(model):
    """Those of norms, and running statistics, are not 1 and 0 any more."""
    for p in (*model.parameters(), *model.buffers()):
        if p.ndim == 1:
            minidl.nn.init.uniform_(p, 0.5, 1.5)
    return model


def agree(ours, theirs, images, labels):
    x, u = minidl.tensor(images, requires_grad=True), torch.tensor(images, requires_grad=True)
    y, v = ours(x), theirs(u)
    F.cross_entropy(y, minidl.tensor(labels)).backward()
    nn.functional.cross_entropy(v, torch.tensor(labels)).backward()
    gradients = {key: (p.grad, q.grad) for (key, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True)}
    rounding = 1e-14 * max([np.abs(wanted.numpy()).max() for _, wanted in gradients.values()])
    close(y.detach(), v.detach(), "the output")
    close(x.grad, u.grad, "the gradient of the input", rounding)
    for key, pair in gradients.items():
        close(*pair, key, rounding)
    for (key, p), q in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        close(p, q, key)


def close(got, wanted, what, rounding=0.0):
    """To 1e-8 of the largest number. A bias before another batch norm has a gradient of 0, but for rounding."""
    got, wanted = got.numpy(), wanted.numpy()
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-8 * np.abs(wanted).max() + rounding, err_msg=what)
