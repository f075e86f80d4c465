"""A model with everything that a probe could disturb, and a list of all probes."""
import minidl
from minidl import nn, optim
from minidl.lab import observe, probes
from minidl.nn import functional as F


class Awkward(nn.Module):
    """A user's own: functional ReLUs, residual blocks that add in place, dropout that draws, a counter and a buffer."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.block1, self.block2 = AwkwardBlock(), AwkwardBlock()
        self.head = nn.Linear(4, 3)
        self.register_buffer("seen", minidl.zeros(1))
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        self.seen.add_(1)
        x = self.block2(self.block1(F.relu(self.stem(x))))
        return self.head(x.mean((2, 3)))


class AwkwardBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.dropout = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.3)

    def forward(self, x):
        y = self.dropout(self.norm(self.conv(x)))
        y += x
        return F.relu(y)


def awkward():
    """(model, x): in training, with gradients, a frozen weight, and an odd mode in the middle."""
    model, x = Awkward(), minidl.randn(6, 2, 5, 5)
    F.cross_entropy(model(x), minidl.tensor([0, 1, 2, 0, 1, 2])).backward()
    model.block1.conv.weight.requires_grad_(False)
    model.block2.norm.eval()
    return model, x


def loss(y):
    return F.cross_entropy(y, minidl.arange(6) % 3)


def score(y):
    return y.sum().item()


def updates(model, x):
    optimizer = optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1, momentum=0.9)
    optimizer.step()                             # so that it remembers something
    return probes.updates(model, optimizer, x, loss)


# Every probe of a model, as function(model, x).
OF_A_MODEL = {
    "observe": observe,
    "observe_loss": lambda model, x: observe(model, x, loss=loss, dtype=minidl.float64),
    "cosines": probes.cosines,
    "gram_spectra": probes.gram_spectra,
    "gradient_line": lambda model, x: probes.gradient_line(model, x[0], x[1], points=8, lags=2),
    "singular_values": lambda model, x: probes.singular_values(model, x[:2]),
    "singular_values_lanczos": lambda model, x: probes.singular_values(model, x[:2], 2),
    "nonlinearity_coefficient": probes.nonlinearity_coefficient,
    "branch_shares": probes.branch_shares,
    "identity_survival": probes.identity_survival,
    "path_lengths": probes.path_lengths,
    "path_lengths_layers": lambda model, x: probes.path_lengths(model, x, "layers"),
    "find_blocks": probes.find_blocks,
    "lesion": lambda model, x: probes.lesion(model, x, score),
    "swap": lambda model, x: probes.swap(model, x, score),
    "permute": lambda model, x: probes.permute(model, x, score, draws=2),
    "loss_line": lambda model, x: probes.loss_line(model, x, loss, points=3),
    "loss_plane": lambda model, x: probes.loss_plane(model, x, loss, points=2),
}

# Every probe of an Observation.
OF_AN_OBSERVATION = {
    "activation_gradients": probes.activation_gradients, "weight_gradients": probes.weight_gradients,
    "activations": probes.activations, "batch_norm_std": probes.batch_norm_std, "ranges": probes.ranges,
}
