"""The mean of several networks, and of several crops."""
import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.train import Ensemble, OverCrops, averaged, evaluate, five_crop, measure, predictions, ten_crop
from minidl.utils.data import DataLoader, TensorDataset

# What three networks say of four images and six classes, in tenths. By hand: a has 1 of 4 right (image 3), b 2, c none, and
# the sums of the three are right for images 0, 1 and 3. The right class of image 2 is the last of six for all.
A = [[2, 4, 1, 1, 1, 1], [4, 2, 1, 1, 1, 1], [3, 2, 2, 1, 2, 0], [1, 1, 1, 6, 1, 0]]
B = [[7, 1, 1, 1, 0, 0], [1, 7, 1, 1, 0, 0], [5, 1, 1, 1, 2, 0], [1, 1, 4, 3, 1, 0]]
C = [[2, 3, 2, 1, 1, 1], [1, 3, 4, 1, 1, 0], [1, 2, 4, 1, 2, 0], [2, 1, 1, 2, 3, 1]]
LABELS = np.array([0, 1, 5, 3])
MEMBERS = [np.array(tenths) / 10 for tenths in (A, B, C)]


class Says(nn.Module):
    """Scores whose softmax are these probabilities, in the order of the images, which hold their numbers."""

    def __init__(self, probabilities, shift=0.0):
        super().__init__()
        self.scores = minidl.tensor(np.log(np.maximum(probabilities, 1e-30)) + shift)

    def forward(self, numbers):
        return self.scores[numbers.reshape(-1)]


def numbered(batch_size=3):
    return DataLoader(TensorDataset(np.arange(4)[:, None], LABELS), batch_size)


def test_the_errors_of_members_and_of_their_mean_are_those_found_by_hand():
    singles = [evaluate(Says(p), numbered()) for p in MEMBERS]
    assert [single.top1 for single in singles] == [1 / 4, 2 / 4, 0 / 4]
    together = evaluate(Ensemble([Says(p) for p in MEMBERS]), numbered())
    assert (together.top1, together.top5) == (3 / 4, 3 / 4)
    mean = sum(MEMBERS) / 3
    assert together.loss == pytest.approx(-np.log(np.maximum(mean[np.arange(4), LABELS], 1e-30)).mean(), rel=1e-6)


def test_probabilities_are_averaged_and_not_scores():
    """Of scores that are larger by a constant the probabilities are the same."""
    loader = numbered()
    plain = evaluate(Ensemble([Says(p) for p in MEMBERS]), loader)
    shifted = evaluate(Ensemble([Says(p, shift) for p, shift in zip(MEMBERS, (0.0, 50.0, -9.0))]), loader)
    assert shifted.top1 == plain.top1 and shifted.loss == pytest.approx(plain.loss, rel=1e-9)
    scores = Ensemble([Says(p) for p in MEMBERS])(minidl.tensor([[0], [1], [2], [3]]))
    np.testing.assert_allclose(np.exp(scores.numpy()), sum(MEMBERS) / 3, atol=1e-12)


def test_averaged_predictions_are_those_of_an_ensemble():
    found = [list(predictions(Says(p), numbered())) for p in MEMBERS]
    assert measure(averaged(found)) == evaluate(Ensemble([Says(p) for p in MEMBERS]), numbered())


def test_predictions_for_other_images_are_not_averaged():
    other = DataLoader(TensorDataset(np.arange(4)[:, None], LABELS[::-1].copy()), 3)
    with pytest.raises(ValueError, match="other images: their labels differ"):
        list(averaged([predictions(Says(A), numbered()), predictions(Says(B), other)]))


def test_the_members_are_evaluated_in_eval_mode():
    members = [nn.Sequential(nn.Dropout(0.5), nn.Linear(1, 6)) for _ in range(2)]
    loader = DataLoader(TensorDataset(np.ones((4, 1), "f"), LABELS), 2)
    assert evaluate(Ensemble(members), loader) == evaluate(Ensemble(members), loader)


# ---- crops


def images():
    return np.random.default_rng(0).standard_normal((2, 3, 7, 9)).astype("f")


def test_five_crops_are_the_corners_and_the_middle():
    x = images()
    expected = [x[:, :, :4, :5], x[:, :, :4, 4:], x[:, :, 3:, :5], x[:, :, 3:, 4:], x[:, :, 1:5, 2:7]]
    for crop, wanted in zip(five_crop(minidl.tensor(x), (4, 5)), expected, strict=True):
        np.testing.assert_array_equal(crop.numpy(), wanted)


def test_ten_crops_are_five_and_their_mirror_images():
    """Krizhevsky et al. 2012, section 4.1: "the four corner patches and the center patch" and "reflections"."""
    x = images()
    five = [x[:, :, :6, :6], x[:, :, :6, 3:], x[:, :, 1:, :6], x[:, :, 1:, 3:], x[:, :, 0:6, 1:7]]
    for crop, wanted in zip(ten_crop(minidl.tensor(x), 6), [*five, *[part[..., ::-1] for part in five]], strict=True):
        np.testing.assert_array_equal(crop.numpy(), wanted)


@pytest.mark.parametrize("crops", [five_crop, ten_crop])
def test_a_network_over_crops_says_the_mean_of_what_it_says_of_each(crops):
    minidl.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 5))
    x = minidl.tensor(images())
    softmax = [np.exp(s) / np.exp(s).sum(1, keepdims=True)
               for s in (model(crop).detach().numpy() for crop in crops(x, 4))]
    scores = OverCrops(model, 4, crops)(x).detach().numpy()
    np.testing.assert_allclose(np.exp(scores), np.mean(softmax, 0), rtol=1e-5)


def test_a_crop_larger_than_the_image_is_a_sentence():
    with pytest.raises(ValueError, match="five_crop: crops of 8 x 8, but the images are only 7 x 9"):
        five_crop(minidl.tensor(images()), 8)
