"""VGG, with and without batch norm, beside torchvision's, written anew."""
import pytest
from networks import narrow, on_shapes, with_lively_weights
from twins import assert_same_keys, assert_twins

from architectures.vgg import TABLE_1, VGG, BatchNormVGG

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

# The convolutions' channels between the poolings, and torchvision's number of parameters without and with batch norm.
STAGES = {
    "A": ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    "B": ((64, 64), (128, 128), (256, 256), (512, 512), (512, 512)),
    "D": ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)),
    "E": ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512, 512, 512), (512, 512, 512, 512)),
}


class Twin(torch.nn.Module):
    """torchvision's vgg of a column, with `narrower` times fewer channels; `maps` are as wide after the last pooling."""

    def __init__(self, column, norm, classes=1000, hidden=4096, maps=7, narrower=1):
        super().__init__()
        nn, layers, n = torch.nn, [], 3
        for stage in STAGES[column]:
            for channels in stage:
                channels = max(2, channels // narrower)
                layers += [nn.Conv2d(n, channels, kernel_size=3, padding=1)]
                layers += [nn.BatchNorm2d(channels)] if norm else []
                layers += [nn.ReLU()]
                n = channels
            layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((maps, maps))
        self.classifier = nn.Sequential(
            nn.Linear(n * maps * maps, hidden), nn.ReLU(), nn.Dropout(),
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(),
            nn.Linear(hidden, classes))

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("network", [VGG, BatchNormVGG])
@pytest.mark.parametrize("column", STAGES)
def test_scores_and_all_gradients_are_the_twins(column, network, training):
    model = with_lively_weights(network(narrow(TABLE_1[column]), 5, image_size=64, hidden=8))
    twin = Twin(column, network is BatchNormVGG, 5, 8, 2, narrower=64)
    assert_twins(model, twin, (3, 64, 64), training)


@pytest.mark.parametrize("name, column, norm", [
    ("vgg11", "A", False), ("vgg13", "B", False), ("vgg16", "D", False), ("vgg19", "E", False),
    ("vgg11_bn", "A", True), ("vgg13_bn", "B", True), ("vgg16_bn", "D", True), ("vgg19_bn", "E", True)])
def test_its_weights_are_torchvisions(name, column, norm):
    with torch.device("meta"):
        twin = Twin(column, norm)
    assert_same_keys(on_shapes(name)[0], twin)
