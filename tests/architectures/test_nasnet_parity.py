"""NASNet and AmoebaNet beside PyTorch functions, which compute the figures line by line from the same weights."""
import numpy as np
import pytest

import minidl
from architectures.nasnet import AMOEBANET_A, NASNET_A, CifarNASNet, ImageNetNASNet
from minidl import nn
from minidl.nn import functional as F

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity


class Twin:
    """A network as a function of a state dict. In a cell, a and b are its states 0 and 1, and c to g those it makes."""

    def __init__(self, state, training, eps):
        self.w = {key: torch.tensor(x.detach().numpy(), requires_grad="running" not in key) for key, x in state.items()
                  if "num_batches" not in key}
        self.training, self.eps = training, eps

    def conv(self, key, x, stride=1, padding=0, groups=1):
        return torch.nn.functional.conv2d(x, self.w[key + ".weight"], None, stride, padding, 1, groups)

    def norm(self, key, x):
        w = self.w
        return torch.nn.functional.batch_norm(x, w[key + ".running_mean"], w[key + ".running_var"], w[key + ".weight"],
                                              w[key + ".bias"], self.training, 0.1, self.eps)

    def conv_norm(self, key, x, stride=1, padding=0):
        return self.norm(key + ".1", self.conv(key + ".0", x, stride, padding))

    def relu_conv_norm(self, key, x, stride=1, padding=0):
        return self.norm(key + ".2", self.conv(key + ".1", x.relu(), stride, padding))

    def as_wide(self, key, x):
        return self.conv_norm(key, x) if key + ".0.weight" in self.w else x

    def sep(self, key, x, size, stride=1):
        for i, s in (("1", stride), ("2", 1)):
            x = self.conv(f"{key}.0.depthwise{i}", x.relu(), s, size // 2, groups=x.shape[1])
            x = self.norm(f"{key}.0.bn{i}", self.conv(f"{key}.0.pointwise{i}", x))
        return x

    def max(self, key, x, stride=1):
        return self.as_wide(key + ".0.1", torch.nn.functional.max_pool2d(x, 3, stride, 1))

    def avg(self, key, x, stride=1):
        return self.as_wide(key + ".0.1", torch.nn.functional.avg_pool2d(x, 3, stride, 1, count_include_pad=False))

    def same(self, key, x):
        return self.relu_conv_norm(key, x) if key + ".1.weight" in self.w else x

    def rows_columns(self, key, x, stride):
        x = self.relu_conv_norm(key + ".0.0", x)
        x = self.relu_conv_norm(key + ".0.1", x, (1, stride), (0, 3))
        x = self.relu_conv_norm(key + ".0.2", x, (stride, 1), (3, 0))
        return self.relu_conv_norm(key + ".0.3", x)

    def nasnet_normal(self, key, a, b):
        left, right = key + ".left.", key + ".right."
        c = self.sep(left + "0", a, 5) + self.sep(right + "0", b, 3)
        d = self.sep(left + "1", b, 5) + self.sep(right + "1", b, 3)
        e = self.avg(left + "2", a) + self.same(right + "2", b)
        f = self.avg(left + "3", b) + self.avg(right + "3", b)
        g = self.sep(left + "4", a, 3) + a
        return torch.cat([self.as_wide(key + ".out.0", b), c, d, e, f, g], 1)

    def nasnet_reduction(self, key, a, b):
        left, right = key + ".left.", key + ".right."
        c = self.sep(left + "0", a, 5, 2) + self.sep(right + "0", b, 7, 2)
        d = self.max(left + "1", a, 2) + self.sep(right + "1", b, 7, 2)
        e = self.avg(left + "2", a, 2) + self.sep(right + "2", b, 5, 2)
        f = d + self.avg(right + "3", c)
        g = self.sep(left + "4", c, 3) + self.max(right + "4", a, 2)
        return torch.cat([d, e, f, g], 1)

    def amoebanet_normal(self, key, a, b):
        left, right = key + ".left.", key + ".right."
        c = self.avg(left + "0", a) + self.max(right + "0", a)
        d = self.sep(left + "1", b, 3) + self.same(right + "1", b)
        e = a + self.avg(right + "2", b)
        f = self.sep(left + "3", a, 3) + self.sep(right + "3", c, 5)
        g = self.avg(left + "4", f) + self.sep(right + "4", a, 3)
        return torch.cat([self.as_wide(key + ".out.0", b), d, e, g], 1)

    def amoebanet_reduction(self, key, a, b):
        left, right = key + ".left.", key + ".right."
        c = self.sep(left + "0", b, 3, 2) + self.avg(right + "0", a, 2)
        d = self.max(left + "1", a, 2) + self.sep(right + "1", c, 7)
        e = self.max(left + "2", b, 2) + self.max(right + "2", a, 2)
        f = self.sep(left + "3", e, 3) + self.rows_columns(right + "3", a, 2)
        g = self.avg(left + "4", b, 2) + self.sep(right + "4", a, 7, 2)
        return torch.cat([c, d, e, f, g], 1)

    def state_1(self, key, x):
        if key + ".1.weight" in self.w:
            return self.relu_conv_norm(key, x)
        if key + ".even.weight" not in self.w:
            return x
        x = x.relu()
        odd = torch.nn.functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        return self.norm(key + ".bn", torch.cat([self.conv(key + ".even", x, 2), self.conv(key + ".odd", odd, 2)], 1))

    def __call__(self, cells, row, x, stride, padding):
        x = before = self.conv_norm("stem", x, stride, padding)
        for i, kind in enumerate(row):
            key = f"cells.{i}"
            states = self.relu_conv_norm(key + ".last", x), self.state_1(key + ".before", before)
            before, x = x, getattr(self, f"{cells}_{kind}")(key, *states)
        return torch.nn.functional.linear(x.relu().mean((2, 3)), self.w["fc.weight"], self.w["fc.bias"])


ROW = ["normal", "reduction"] * 2 + ["normal"]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("model, cells, row, image, how", [
    (lambda: CifarNASNet(NASNET_A, 1, 4, 5), "nasnet", ROW, 16, (1, 1, 1e-5)),
    (lambda: CifarNASNet(AMOEBANET_A, 1, 8, 5), "amoebanet", ROW, 16, (1, 1, 1e-5)),
    (lambda: ImageNetNASNet(NASNET_A, 1, 8, 5, dropout=0.0), "nasnet", ["reduction"] * 2 + ROW, 47, (2, 0, 1e-3)),
], ids=["nasnet_a_cifar10", "amoebanet_a_cifar10", "nasnet_a_mobile"])
def test_scores_and_all_gradients_are_those_of_pytorch(model, cells, row, image, how, training):
    stride, padding, eps = how
    model, rng = model().double().train(training), np.random.default_rng(0)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for p, low in ((layer.weight, 0.5), (layer.bias, -0.5), (layer.running_mean, -0.5), (layer.running_var, 0.5)):
                nn.init.uniform_(p, low, low + 1)
    twin = Twin(model.state_dict(), training, eps)
    x, labels = rng.standard_normal((3, 3, image, image)), rng.integers(0, 5, 3)
    x1, x2 = minidl.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y1, y2 = model(x1), twin(cells, row, x2, stride, padding)
    F.cross_entropy(y1, minidl.tensor(labels)).backward()
    torch.nn.functional.cross_entropy(y2, torch.tensor(labels)).backward()
    pairs = [("scores", y1.detach(), y2.detach()), ("image", x1.grad, x2.grad)]
    pairs += [(key, p.grad, twin.w[key].grad) for key, p in model.named_parameters()]
    pairs += [(key, x, twin.w[key]) for key, x in model.named_buffers() if key in twin.w]
    for key, ours, theirs in pairs:
        theirs = theirs.numpy()
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-8 * np.abs(theirs).max(), err_msg=key)
