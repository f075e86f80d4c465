"""AlexNet for one card beside torchvision's, written anew."""
import pytest
from networks import on_shapes, reduced
from twins import assert_same_keys, assert_twins

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity


class AlexNet(torch.nn.Module):
    """torchvision's alexnet, with other widths if need be."""

    def __init__(self, classes=1000, channels=(64, 192, 384, 256, 256), hidden=4096, maps=6):
        super().__init__()
        nn, (a, b, c, d, e) = torch.nn, channels
        self.features = nn.Sequential(
            nn.Conv2d(3, a, kernel_size=11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(a, b, kernel_size=5, padding=2), nn.ReLU(), nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(b, c, kernel_size=3, padding=1), nn.ReLU(),
            nn.Conv2d(c, d, kernel_size=3, padding=1), nn.ReLU(),
            nn.Conv2d(d, e, kernel_size=3, padding=1), nn.ReLU(), nn.MaxPool2d(kernel_size=3, stride=2))
        self.avgpool = nn.AdaptiveAvgPool2d((maps, maps))
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(e * maps * maps, hidden), nn.ReLU(),
            nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU(),
            nn.Linear(hidden, classes))

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


@pytest.mark.parametrize("training", [True, False])
def test_scores_and_all_gradients_are_the_twins(training):
    assert_twins(reduced("alexnet_one_weird_trick")[0], AlexNet(5, (4, 6, 8, 8, 6), 8, 1), (3, 63, 63), training)


def test_its_weights_are_torchvisions():
    with torch.device("meta"):
        twin = AlexNet()
    assert_same_keys(on_shapes("alexnet_one_weird_trick")[0], twin)
    assert sum(p.numel() for p in twin.parameters()) == 61_100_840
