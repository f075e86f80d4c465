"""ResNets and their relatives beside the same networks in PyTorch, whose layers have torchvision's names."""
from functools import partial

import numpy as np
import pytest
from networks import on_shapes

import minidl
from architectures import build
from architectures.resnet import BasicBlock, BasicBlockA, Bottleneck, BottleneckV15, CifarResNet, PlainBlock, ResNet
from architectures.resnext import ResNeXtBlock, ResNeXtBlock8x64d, ResNeXtBlock32x8d
from architectures.wide_resnet import WideBottleneck
from minidl import nn
from minidl.nn import functional as F

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

# The convolutions of a branch in a stage of c channels whose stride is s: channels, kernel size, stride, groups.
BRANCHES = {
    "basic": lambda c, s: [(c, 3, s, 1), (c, 3, 1, 1)],
    "bottleneck": lambda c, s: [(c, 1, s, 1), (c, 3, 1, 1), (4 * c, 1, 1, 1)],
    "v1.5": lambda c, s: [(c, 1, 1, 1), (c, 3, s, 1), (4 * c, 1, 1, 1)],
    "wide": lambda c, s: [(2 * c, 1, 1, 1), (2 * c, 3, s, 1), (4 * c, 1, 1, 1)],
    "32x4d": lambda c, s: [(2 * c, 1, 1, 1), (2 * c, 3, s, 32), (4 * c, 1, 1, 1)],
    "32x8d": lambda c, s: [(4 * c, 1, 1, 1), (4 * c, 3, s, 32), (4 * c, 1, 1, 1)],
    "8x64d": lambda c, s: [(8 * c, 1, 1, 1), (8 * c, 3, s, 8), (4 * c, 1, 1, 1)],
}


class TwinBlock(torch.nn.Module):
    """relu(branch + shortcut); the shortcut is projected, padded with zeros, or not there at all."""

    def __init__(self, in_channels, branch, shortcut):
        super().__init__()
        self.layers, channels, stride = len(branch), in_channels, 1
        for i, (n, size, s, groups) in enumerate(branch, 1):
            setattr(self, f"conv{i}", torch.nn.Conv2d(channels, n, size, s, size // 2, groups=groups, bias=False))
            setattr(self, f"bn{i}", torch.nn.BatchNorm2d(n))
            channels, stride = n, stride * s
        self.kind, self.stride, self.missing = shortcut, stride, channels - in_channels
        if shortcut == "projected" and (stride > 1 or self.missing):
            self.downsample = torch.nn.Sequential(
                torch.nn.Conv2d(in_channels, channels, 1, stride, bias=False), torch.nn.BatchNorm2d(channels))

    def shortcut(self, x):
        if self.kind == "projected":
            return self.downsample(x) if hasattr(self, "downsample") else x
        if self.kind == "padded":
            zeros = x.new_zeros(x.shape[0], self.missing, *x.shape[2:])
            return torch.cat([x, zeros], 1)[:, :, ::self.stride, ::self.stride]
        return 0

    def forward(self, x):
        y = x
        for i in range(1, self.layers + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = torch.relu(y) if i < self.layers else torch.relu(y + self.shortcut(x))
        return y


def twin_stage(in_channels, channels, blocks, stride, branch, shortcut):
    layers = []
    for i in range(blocks):
        convs = BRANCHES[branch](channels, stride if i == 0 else 1)
        layers.append(TwinBlock(in_channels, convs, shortcut))
        in_channels = convs[-1][0]
    return torch.nn.Sequential(*layers), in_channels


class Twin(torch.nn.Module):
    """For ImageNet: 7x7 with stride 2, max pooling, four stages."""

    def __init__(self, branch, blocks, num_classes=1000, width=64, shortcut="projected"):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(width)
        self.maxpool = torch.nn.MaxPool2d(3, 2, 1)
        n = width
        self.layer1, n = twin_stage(n, width, blocks[0], 1, branch, shortcut)
        self.layer2, n = twin_stage(n, 2 * width, blocks[1], 2, branch, shortcut)
        self.layer3, n = twin_stage(n, 4 * width, blocks[2], 2, branch, shortcut)
        self.layer4, n = twin_stage(n, 8 * width, blocks[3], 2, branch, shortcut)
        self.fc = torch.nn.Linear(n, num_classes)

    def forward(self, x):
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class CifarTwin(torch.nn.Module):
    """For CIFAR-10: 3x3, three stages."""

    def __init__(self, branch, n, num_classes=10, width=16, shortcut="padded"):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(width)
        self.layer1, c = twin_stage(width, width, n, 1, branch, shortcut)
        self.layer2, c = twin_stage(c, 2 * width, n, 2, branch, shortcut)
        self.layer3, c = twin_stage(c, 4 * width, n, 2, branch, shortcut)
        self.fc = torch.nn.Linear(c, num_classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


# The twin of each network, and its own class at another width.
TWINS = {
    "resnet18": (partial(Twin, "basic", (2, 2, 2, 2)), partial(ResNet, BasicBlock, (2, 2, 2, 2))),
    "resnet34": (partial(Twin, "basic", (3, 4, 6, 3)), partial(ResNet, BasicBlock, (3, 4, 6, 3))),
    "resnet50": (partial(Twin, "bottleneck", (3, 4, 6, 3)), partial(ResNet, Bottleneck, (3, 4, 6, 3))),
    "resnet101": (partial(Twin, "bottleneck", (3, 4, 23, 3)), partial(ResNet, Bottleneck, (3, 4, 23, 3))),
    "resnet152": (partial(Twin, "bottleneck", (3, 8, 36, 3)), partial(ResNet, Bottleneck, (3, 8, 36, 3))),
    "resnet50_v1_5": (partial(Twin, "v1.5", (3, 4, 6, 3)), partial(ResNet, BottleneckV15, (3, 4, 6, 3))),
    "plain34": (partial(Twin, "basic", (3, 4, 6, 3), shortcut=None), partial(ResNet, PlainBlock, (3, 4, 6, 3))),
    "wide_resnet50_2": (partial(Twin, "wide", (3, 4, 6, 3)), partial(ResNet, WideBottleneck, (3, 4, 6, 3))),
    "resnext50_32x4d": (partial(Twin, "32x4d", (3, 4, 6, 3)), partial(ResNet, ResNeXtBlock, (3, 4, 6, 3))),
    "resnext101_32x8d": (partial(Twin, "32x8d", (3, 4, 23, 3)), partial(ResNet, ResNeXtBlock32x8d, (3, 4, 23, 3))),
    "resnext29_8x64d": (partial(CifarTwin, "8x64d", 3, width=64, shortcut="projected"),
                        partial(CifarResNet, ResNeXtBlock8x64d, 3)),
    "resnet20": (partial(CifarTwin, "basic", 3), partial(CifarResNet, BasicBlockA, 3)),
    "resnet56": (partial(CifarTwin, "basic", 9), partial(CifarResNet, BasicBlockA, 9)),
    "resnet110": (partial(CifarTwin, "basic", 18), partial(CifarResNet, BasicBlockA, 18)),
    "plain20": (partial(CifarTwin, "basic", 3, shortcut=None), partial(CifarResNet, PlainBlock, 3)),
}
# Those that are compared number by number: width, and height of an image. The others have the same blocks.
SMALL = {
    "resnet18": (8, 64), "resnet34": (8, 64), "resnet50": (4, 64), "resnet50_v1_5": (4, 64), "wide_resnet50_2": (4, 64),
    "resnext50_32x4d": (16, 64), "resnext29_8x64d": (4, 16), "resnet20": (16, 32), "resnet110": (4, 16), "plain20": (8, 16)}


def in_torchvision(key):
    """torchvision calls a shortcut with weights `downsample`."""
    return key.replace("shortcut", "downsample")


@pytest.mark.parametrize("name", TWINS)
def test_keys_and_shapes_of_the_state_dict_are_the_twins(name):
    with torch.device("meta"):
        twin = TWINS[name][0]()
    ours = {in_torchvision(key): x.shape for key, x in on_shapes(name)[0].state_dict().items()}
    assert ours == {key: tuple(x.shape) for key, x in twin.state_dict().items()}


@pytest.mark.parametrize("name", SMALL)
def test_outputs_and_gradients_are_the_twins(name):
    twin, network = TWINS[name]
    width, size = SMALL[name]
    same_as_twin(network(num_classes=7, width=width), twin(num_classes=7, width=width), size)


@pytest.mark.slow
def test_outputs_and_gradients_of_a_network_at_full_width_are_the_twins():
    same_as_twin(build("resnet18"), TWINS["resnet18"][0](), 64)


def same_as_twin(model, twin, size):
    """In float64, for a batch of 3 in training and then in eval mode."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
    model.double(), twin.double()
    twin.load_state_dict({in_torchvision(key): torch.tensor(x.numpy()) for key, x in model.state_dict().items()})
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((3, 3, size, size)), rng.integers(0, 7, 3)
    for training in (True, False):
        model.train(training), twin.train(training)
        model.zero_grad(), twin.zero_grad()
        x, theirs = minidl.tensor(images, requires_grad=True), torch.tensor(images, requires_grad=True)
        scores, wanted = model(x), twin(theirs)
        F.cross_entropy(scores, minidl.tensor(labels)).backward()
        torch.nn.functional.cross_entropy(wanted, torch.tensor(labels)).backward()
        same(scores.detach().numpy(), wanted.detach().numpy(), "scores")
        same(x.grad.numpy(), theirs.grad.numpy(), "the image's gradient")
        gradients = dict(twin.named_parameters())
        for key, p in model.named_parameters():
            same(p.grad.numpy(), gradients[in_torchvision(key)].grad.numpy(), key)
        statistics = dict(twin.named_buffers())
        for key, statistic in model.named_buffers():
            same(statistic.numpy(), statistics[in_torchvision(key)].numpy(), key)


def same(x, wanted, name):
    """To 1e-8 of the array's largest number."""
    assert np.abs(wanted).max() > 0, name
    np.testing.assert_allclose(x, wanted, rtol=0, atol=1e-8 * np.abs(wanted).max(), err_msg=name)
