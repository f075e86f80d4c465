import itertools

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy import ndimage

from minidl.utils.data.randomness import PerSample
from minidl.utils.data.transforms import (
    CenterCrop,
    ColorJitter,
    Compose,
    Normalize,
    Pad,
    PCAColorShift,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomScaledCrop,
    Resize,
    ToFloat,
    affine,
)

EVERY = [Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.1)), Pad((1, 2, 3, 4), 0.5), Resize((12, 5)),
         Resize(20, "nearest"), CenterCrop((4, 5)), RandomCrop((6, 4), padding=2), RandomHorizontalFlip(),
         RandomRotation(30), RandomCrop(7, 2, padding_mode="reflect"), RandomScaledCrop((5, 7), (7, 20)),
         RandomResizedCrop((5, 6)), ColorJitter(0.4, 0.3, 0.5),
         RandomAffine((10, 20), (0.2, 0.1), (0.7, 1.3)), PCAColorShift((0.3, 0.1, 0.05), np.eye(3).tolist()),
         Compose([RandomCrop(6), Normalize(0.5, 0.5)])]


def some_images(n=4, shape=(3, 9, 7)):
    return np.random.default_rng(2).random((n, *shape), dtype=np.float32)


@pytest.mark.parametrize("transform", EVERY, ids=str)
def test_a_transform_does_to_one_image_what_it_does_to_it_in_a_batch(transform):
    images = some_images()
    before = images.copy()
    batch = transform(images, PerSample(1, 0, range(4)))
    assert batch.dtype == np.float32
    for index in range(4):
        alone = transform(images[index], PerSample(1, 0, [index]))
        np.testing.assert_allclose(alone, batch[index], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("transform", [t for t in EVERY if t.random], ids=str)
def test_a_random_transform_follows_its_generator_and_needs_one(transform):
    images = some_images()
    draw = lambda seed: transform(images, np.random.default_rng(seed))
    np.testing.assert_array_equal(draw(1), draw(1))
    assert (draw(1) != draw(2)).any()
    with pytest.raises(ValueError, match="given no generator"):
        transform(images)


def test_a_repr_says_how_to_make_it():
    for transform in EVERY:
        if not isinstance(transform, PCAColorShift):
            assert eval(repr(transform)) == transform


@pytest.mark.parametrize("transform, shape, words", [
    (Pad(1), (9, 7), r"Pad\(padding=1, fill=0.0, padding_mode='constant'\): got shape \(9, 7\); \(C, H, W\)"),
    (Normalize((1, 2), (1, 1)), (3, 9, 7), "2 means and 2 deviations, but the image has 3 channels"),
    (RandomCrop((9, 8)), (3, 9, 7), r"RandomCrop\(size=\(9, 8\).*: the image is only 9 x 7"),
    (CenterCrop(8), (3, 9, 7), "the image is only 9 x 7"),
    (PCAColorShift((1, 1, 1), np.eye(3)), (1, 9, 7), "the image has 1 channels, not 3"),
    (ColorJitter(0.4, 0.4, 0.4), (1, 9, 7), "ColorJitter.*: the image has 1 channels, not 3"),
    (Pad(1, padding_mode="mirror"), (3, 9, 7), "padding_mode has to be 'constant' or 'reflect'"),
    (RandomScaledCrop(8, (7, 9)), (3, 9, 7), "a window of 8 x 8 has no place in an image whose shorter side is 7"),
])
def test_an_image_that_does_not_fit_is_named(transform, shape, words, rng):
    with pytest.raises(ValueError, match=words):
        transform(np.zeros(shape, np.float32), rng)


def test_bytes_have_to_become_floats_first():
    with pytest.raises(ValueError, match="uint8; put ToFloat"):
        Normalize(0, 1)(np.zeros((1, 2, 2), np.uint8))


def test_to_float_spreads_bytes_over_0_to_1():
    values = ToFloat()(np.array([[[0, 51, 255]]], np.uint8))
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, [[[0, 0.2, 1]]], rtol=1e-7)
    np.testing.assert_array_equal(ToFloat()(values), values)


def test_normalize_by_the_images_own_moments_gives_mean_0_and_deviation_1():
    images = some_images(50) * [[[2]], [[3]], [[4]]]
    y = Normalize(images.mean((0, 2, 3)), images.std((0, 2, 3)))(images)
    np.testing.assert_allclose(y.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std((0, 2, 3)), 1, rtol=1e-5)


def test_pad_adds_left_top_right_bottom():
    image = np.ones((1, 1, 1), np.float32)
    np.testing.assert_array_equal(Pad((1, 2, 3, 0), 7.0)(image)[0], [[7] * 5, [7] * 5, [7, 1, 7, 7, 7]])
    assert Pad((1, 2))(image).shape == (1, 5, 3) and Pad(2)(image).shape == (1, 5, 5)


def test_a_reflected_border_is_the_image_mirrored_at_its_outermost_pixels():
    row = np.array([[[1, 2, 3, 4]]], np.float32)
    np.testing.assert_array_equal(Pad((2, 0, 3, 0), padding_mode="reflect")(row)[0], [[3, 2, 1, 2, 3, 4, 3, 2, 1]])
    image = np.arange(20.0, dtype=np.float32).reshape(1, 4, 5)
    padded = np.pad(image[0], 2, "reflect")
    windows = {padded[top:top + 4, left:left + 4].tobytes() for top in range(5) for left in range(6)}
    crops = RandomCrop(4, 2, padding_mode="reflect")(np.repeat(image[None], 1000, 0), np.random.default_rng(0))
    assert {crop.tobytes() for crop in crops} == windows


@pytest.mark.parametrize("size", [(32, 32), (9, 21), (3, 4), (13, 2), (9, 7)])
def test_bilinear_resize_is_pillows(size):
    images = some_images()
    resized = Resize(size)(images)
    for image, expected in zip(images.reshape(-1, 9, 7), resized.reshape(-1, *size), strict=True):
        pillow = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))
        np.testing.assert_allclose(expected, pillow, atol=2e-6)


def test_nearest_resize_by_four_repeats_each_pixel_sixteen_times():
    image = some_images()[0]
    np.testing.assert_array_equal(Resize((36, 28), "nearest")(image), np.kron(image, np.ones((4, 4))))
    np.testing.assert_array_equal(Resize((3, 7), "nearest")(image), image[:, ::3])


def test_a_number_is_the_size_of_the_shorter_side():
    assert Resize(14)(some_images()).shape == (4, 3, 18, 14)
    assert Resize(14)(some_images().swapaxes(2, 3)).shape == (4, 3, 14, 18)
    with pytest.raises(ValueError, match="mode has to be 'bilinear' or 'nearest'"):
        Resize(14, "cubic")


def test_center_crop_is_the_middle():
    image = np.arange(42.0, dtype=np.float32).reshape(1, 6, 7)
    np.testing.assert_array_equal(CenterCrop((2, 3))(image)[0], [[16, 17, 18], [23, 24, 25]])


def test_a_random_crop_is_a_window_of_the_padded_image_and_each_is_as_likely():
    image = np.arange(1, 13, dtype=np.float32).reshape(1, 3, 4)
    padded = np.pad(image[0], 1, constant_values=-1)
    windows = [padded[top:top + 4, left:left + 3] for top in range(2) for left in range(4)]
    images = np.repeat(image[None], 4000, 0)
    crops = RandomCrop((4, 3), padding=1, fill=-1.0)(images, np.random.default_rng(0))
    counts = [(crops[:, 0] == window).all((1, 2)).sum() for window in windows]
    assert sum(counts) == 4000
    assert all(abs(count - 500) < 5 * 500 ** 0.5 for count in counts)


class Drawn:
    """A generator whose next numbers are given."""

    def __init__(self, *numbers):
        self.numbers = list(numbers)

    def uniform(self, low, high, size):
        return np.broadcast_to(self.numbers.pop(0), size)

    integers = uniform

    def random(self, size):
        return self.uniform(0, 1, size)


@pytest.mark.parametrize("area, ratio, corner", [(0.5, 0.8, (1, 2)), (0.1, 1.3, (0, 0)), (1.0, 31 / 37, (0, 0))])
def test_a_resized_crop_is_pillows_crop_resized(area, ratio, corner):
    """Of an image 37 high and 31 wide, so that a window of half of its area is 27 high and 21 wide for a ratio of 0.8."""
    [image] = some_images(1, (3, 37, 31))
    crop = RandomResizedCrop((12, 10))(image, Drawn(area, np.log(ratio), *corner))
    top, left = corner
    height, width = round((37 * 31 * area / ratio) ** 0.5), round((37 * 31 * area * ratio) ** 0.5)
    for plane, seen in zip(image, crop, strict=True):
        window = Image.fromarray(plane[top:top + height, left:left + width])
        pillow = np.asarray(window.resize((10, 12), Image.Resampling.BILINEAR))
        np.testing.assert_allclose(seen, pillow, atol=2e-6)


@pytest.mark.parametrize("shape, height, width", [((30, 90), 30, 40), ((90, 30), 40, 30), ((40, 44), 40, 44)])
def test_where_no_window_fits_it_is_the_largest_in_the_middle(shape, height, width):
    """Of the allowed forms, 3 : 4 to 4 : 3; all that is drawn is larger than the image."""
    [image] = some_images(1, (1, *shape))
    crop = RandomResizedCrop((height, width))(image, Drawn(4.0, 0.0, 0, 0))
    np.testing.assert_allclose(crop, CenterCrop((height, width))(image), atol=1e-6)


def test_resized_crops_have_the_areas_and_forms_they_should():
    """Two ramps show where a window was: their slopes are its width and height, in pixels of 10."""
    H, W = 90, 120
    ramps = np.stack(np.mgrid[:H, :W]).astype(np.float32)
    crops = RandomResizedCrop(10, scale=(0.2, 0.6), ratio=(0.5, 1.5))(
        np.repeat(ramps[None], 2000, 0), np.random.default_rng(0))
    h, w = 10 * (crops[:, 0, 6, 5] - crops[:, 0, 5, 5]), 10 * (crops[:, 1, 5, 6] - crops[:, 1, 5, 5])
    area, ratio = h * w / (H * W), w / h
    assert 0.19 < area.min() < 0.21 and 0.58 < area.max() < 0.61 and abs(area.mean() - 0.4) < 0.02
    assert 0.48 < ratio.min() < 0.52 and 1.42 < ratio.max() < 1.55
    middle = np.log(ratio[area < 0.3])                                  # where nearly all windows fit
    assert abs(middle.mean() - np.log(0.5 * 1.5) / 2) < 0.05


def test_a_scaled_crop_is_a_window_of_the_image_resized():
    image = some_images(1, (3, 40, 50))[0]
    for side, top, left in (20, 3, 5), (20, 0, 0), (64, 44, 60), (40, 20, 11):
        resized = Resize(side)(image)
        crop = RandomScaledCrop((16, 20), (20, 64))(image, Drawn(side, top, left))
        np.testing.assert_allclose(crop, resized[:, top:top + 16, left:left + 20], atol=1e-6)


def test_the_shorter_side_of_a_scaled_crop_is_drawn_between_its_bounds_both_included():
    """A ramp's slope is how much was scaled: the shorter side, 30 pixels, has become 30 / slope."""
    ramp = np.mgrid[:30, :60][1:].astype(np.float32)
    crops = RandomScaledCrop(8, (10, 14))(np.repeat(ramp[None], 1000, 0), np.random.default_rng(0))
    sides, counts = np.unique(np.rint(30 / (crops[:, 0, 4, 5] - crops[:, 0, 4, 4])), return_counts=True)
    assert sides.tolist() == [10, 11, 12, 13, 14] and counts.min() > 150


@pytest.mark.parametrize("which, enhance", [
    (0, ImageEnhance.Brightness), (1, ImageEnhance.Contrast), (2, ImageEnhance.Color)])
@pytest.mark.parametrize("factor", [0.6, 1.4])
def test_a_jitter_of_one_kind_is_pillows(which, enhance, factor):
    """Pillow works in whole bytes."""
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    factors = np.ones(3)
    factors[which] = factor
    seen = ColorJitter(0.4, 0.4, 0.4)(image.transpose(2, 0, 1) / np.float32(255), Drawn(factors, [0, 0.1, 0.2]))
    pillow = np.asarray(enhance(Image.fromarray(image)).enhance(factor))
    np.testing.assert_allclose(255 * seen, pillow.transpose(2, 0, 1), atol=2)


def test_jitters_are_drawn_for_each_image_between_their_bounds():
    """A grey image has nothing but brightness to change; half of it darker and half brighter, the contrast, too."""
    grey = np.full((2000, 3, 2, 2), 0.5, np.float32)
    factors = ColorJitter(0.4, 0.4, 0.4)(grey, np.random.default_rng(0))[:, 0, 0, 0] / 0.5
    grey[:, :, 0] = 0.3
    seen = ColorJitter(0.0, 0.8, 0.0)(grey, np.random.default_rng(0))[:, 0, :, 0]
    contrasts = (seen[:, 1] - seen[:, 0]) / 0.2
    for drawn, most in (factors, 0.4), (contrasts, 0.8):
        assert 1 - most <= drawn.min() + 1e-6 < 1.01 - most and 0.99 + most < drawn.max() - 1e-6 <= 1 + most
        assert abs(drawn.mean() - 1) < 0.03


def test_jitters_come_in_every_order():
    """Each of the six is a picture of its own, as colours beyond 1 are cut in between, and as likely."""
    image = some_images(1, (3, 5, 5))
    in_order = lambda numbers: ColorJitter(0.4, 0.4, 0.4)(image, Drawn([1.5, 1.7, 1.9], numbers))[0]
    six = [in_order(numbers) for numbers in itertools.permutations([0.1, 0.2, 0.3])]
    assert min(abs(a - b).max() for a, b in itertools.combinations(six, 2)) > 1e-3
    draws = [Drawn([1.5, 1.7, 1.9], np.random.default_rng(seed).random(3)) for seed in range(300)]
    counts = [0] * 6
    for draw in draws:
        seen = ColorJitter(0.4, 0.4, 0.4)(image, draw)[0]
        counts[int(np.argmin([abs(seen - one).max() for one in six]))] += 1
    assert min(counts) > 20


def test_a_flip_mirrors_left_and_right_as_often_as_it_says():
    images = np.repeat(some_images(1), 4000, 0)
    flipped = RandomHorizontalFlip(0.25)(images, np.random.default_rng(0))
    mirrored = (flipped == images[..., ::-1]).all((1, 2, 3))
    assert (flipped[~mirrored] == images[~mirrored]).all()
    assert abs(mirrored.sum() - 1000) < 5 * 750 ** 0.5                  # 750 = n p (1 - p)


@pytest.mark.parametrize("degrees", [-70, 15, 130])
def test_a_rotation_is_scipys(degrees):
    """Turned the way scipy turns (rows to columns is counter-clockwise on the screen); edges aside."""
    image = ndimage.gaussian_filter(some_images(1, (2, 21, 25))[0], (0, 1, 1))
    turned = RandomRotation((degrees, degrees))(image, np.random.default_rng(0))
    expected = np.stack([ndimage.rotate(plane, degrees, reshape=False, order=1) for plane in image])
    inside = np.hypot(*np.mgrid[-10:11, -12:13]) < 9
    np.testing.assert_allclose(turned[:, inside], expected[:, inside], atol=1e-5)


def test_a_quarter_turn_is_rot90():
    image = some_images(1, (3, 8, 8))[0]
    turned = RandomRotation((90, 90))(image, np.random.default_rng(0))
    np.testing.assert_allclose(turned, np.rot90(image, axes=(1, 2)), atol=1e-5)


def test_scale_and_shift_are_scipys_affine_transform():
    image = some_images(1, (2, 9, 12))[0]
    angle, scale, right, down = 0.5, 1.4, 2.25, -1.5
    # scipy asks where row and column of a new pixel come from: centre + M (new - centre - shift).
    back = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / scale
    centre = np.array([4, 5.5])
    offset = centre - back @ (centre + [down, right])
    around = np.pad(image, ((0, 0), (20, 20), (20, 20)))    # scipy does not blend the edge with the outside
    expected = np.stack([ndimage.affine_transform(plane, back, offset + 20 - back @ [20, 20], order=1)
                         for plane in around])[:, 20:-20, 20:-20]
    y = affine(image[None].astype(float), np.array([angle]), np.array([scale]), np.array([[right, down]]))
    np.testing.assert_allclose(y[0], expected, atol=1e-10)


def test_random_affine_draws_within_its_ranges():
    """A spot in the middle goes as far as the shift may take it, and its light is the square of the scale."""
    image = np.zeros((1, 51, 31), np.float32)
    image[0, 23:28, 13:18] = 1
    images = np.repeat(image[None], 500, 0)
    y = RandomAffine(translate=(0.2, 0.1), scale=(0.5, 2.0))(images, np.random.default_rng(0))[:, 0]
    light = y.sum((1, 2))
    down, right = ((y * grid).sum((1, 2)) / light - middle
                   for grid, middle in zip(np.mgrid[:51, :31], (25, 15), strict=True))
    for shift, most in (right, 0.2 * 31), (down, 0.1 * 51):
        assert 0.9 * most < shift.max() < most + 0.1 and -most - 0.1 < shift.min() < -0.9 * most
    assert 0.15 < light.min() / 25 < 0.3 and 3.5 < light.max() / 25 < 4.1          # 1/4 and 4


def test_a_rotation_goes_either_way_up_to_its_degrees():
    """Where the light of a bar to the right of the middle goes says by how much it was turned."""
    image = np.zeros((1, 41, 41), np.float32)
    image[0, 19:22, 30:36] = 1
    y = RandomRotation(30)(np.repeat(image[None], 500, 0), np.random.default_rng(0))[:, 0]
    down, right = ((y * (grid - 20)).sum((1, 2)) for grid in np.mgrid[:41, :41])
    degrees = np.rad2deg(np.arctan2(-down, right))
    assert 28 < degrees.max() < 31 and -31 < degrees.min() < -28 and abs(degrees.mean()) < 4


def test_outside_a_turned_picture_is_the_fill():
    turned = RandomRotation((45, 45), fill=0.25)(np.ones((1, 9, 9), np.float32), np.random.default_rng(0))
    assert turned[0, 0, 0] == np.float32(0.25) and turned[0, 4, 4] == 1


def test_the_colour_shift_has_the_covariance_of_the_images():
    """As lambda_i is the deviation along p_i, the sum of p_i a_i lambda_i has std^2 times that covariance."""
    rng = np.random.default_rng(0)
    mixing = np.array([[1, 0.2, 0], [0.5, 0.7, 0.1], [0.4, -0.3, 0.6]])
    images = np.einsum("dc,nchw->ndhw", mixing, rng.standard_normal((50, 3, 20, 20))).astype(np.float32)
    transform = PCAColorShift.from_images(images, std=0.5)
    shifts = transform(np.zeros((100_000, 3, 1, 2), np.float32), rng)
    assert (shifts[..., 0] == shifts[..., 1]).all(), "one shift for all of an image"
    np.testing.assert_allclose(np.cov(shifts[:, :, 0, 0].T), 0.25 * mixing @ mixing.T, atol=0.015)


@pytest.mark.parity
@pytest.mark.parametrize("size", [(32, 32), (3, 4), (20, 3)])
def test_resize_is_pytorchs_antialiased_interpolation(size):
    torch = pytest.importorskip("torch")
    images = some_images()
    interpolate = torch.nn.functional.interpolate
    expected = interpolate(torch.from_numpy(images), size, mode="bilinear", antialias=True)
    np.testing.assert_allclose(Resize(size)(images), expected.numpy(), atol=2e-6)
