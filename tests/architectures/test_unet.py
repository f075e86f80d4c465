"""U-Net: its levels, tiles, sizes and first weights; and that it learns masks."""
import math

import numpy as np
import pytest
from networks import layers_with_weights, on_shapes, shapes_of

import minidl
from architectures import build
from architectures.unet import middle
from minidl import nn, optim
from minidl.nn import functional as F
from minidl.summary import summary


def test_the_levels_have_the_shapes_of_figure_1():
    shapes = [shape for name, shape in shapes_of(*on_shapes("unet")) if name not in ("pool", "dropout")]
    assert shapes == [(64, 568, 568), (128, 280, 280), (256, 136, 136), (512, 64, 64), (1024, 28, 28),
                      (512, 52, 52), (256, 100, 100), (128, 196, 196), (64, 388, 388), (2, 388, 388)]


def test_a_narrow_one_costs_what_was_counted_elsewhere():
    counted = summary(on_shapes("unet", base_channels=8)[0], (1, 188, 188))
    assert (counted.trainable, counted.macs) == (485_682, 97_467_168)


def test_there_are_23_convolutional_layers():
    """Section 2, in total; four of them are up-convolutions."""
    model, _ = on_shapes("unet")
    ups = [layer for layer in model.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert len(ups) == 4 and len(layers_with_weights(model)) + len(ups) == 23


@pytest.mark.parametrize("size, scored", [((188, 188), (4, 4)), ((204, 188), (20, 4)), ((572, 700), (388, 516))])
def test_what_is_scored_is_92_pixels_smaller_on_every_side(size, scored):
    model, _ = on_shapes("unet")
    assert model(minidl.zeros(1, 1, *size, device="meta")).shape == (1, 2, *scored)


@pytest.mark.parametrize("size", [(187, 188), (188, 570), (172, 188), (512, 512), (0, 188)])
def test_an_image_of_another_size_is_a_sentence(size):
    model, _ = on_shapes("unet")
    with pytest.raises(ValueError, match=rf"UNet: .* shape \(1, 1, {size[0]}, {size[1]}\).* 16 k \+ 12, at least 188"):
        model(minidl.zeros(1, 1, *size, device="meta"))


def test_an_image_with_other_channels_is_a_sentence_that_names_the_layer():
    with pytest.raises(ValueError) as error:
        build("unet", base_channels=2)(minidl.zeros(1, 3, 188, 188))
    assert "3 channels" in str(error.value) and "down1.0" in str(error.value.__notes__)


def test_tiles_side_by_side_are_the_whole():
    """Figure 2: as no convolution pads, each tile is scored as if the rest of the image had been there."""
    model = build("unet", base_channels=2).eval()
    image = minidl.randn(1, 1, 188 + 16, 188 + 32)
    whole = model(image).detach().numpy()
    for y in (0, 16):
        for x in (0, 16, 32):
            tile = model(image[:, :, y:y + 188, x:x + 188]).detach().numpy()
            np.testing.assert_allclose(whole[:, :, y:y + 4, x:x + 4], tile, rtol=1e-4, atol=1e-5)


def test_the_middle_is_cropped_from_all_sides_alike():
    x = minidl.tensor(np.arange(48.0).reshape(1, 1, 6, 8))
    np.testing.assert_array_equal(middle(x, (1, 5, 2, 4)).numpy()[0, 0], [[18, 19, 20, 21], [26, 27, 28, 29]])


def test_what_came_down_stands_before_what_comes_up():
    """Figure 1: the white half of a box is on the left. The second half is that of the up-convolution."""
    up, seen = build("unet", base_channels=2).up1, []
    nn.init.zeros_(up.upconv.weight)
    up.convs.register_forward_hook(lambda layer, args, y: seen.append(args[0].numpy()))
    came_down = minidl.randn(1, 2, 14, 14)
    with minidl.no_grad():
        up(minidl.randn(1, 4, 5, 5), came_down)
    np.testing.assert_array_equal(seen[0][:, :2], came_down.numpy()[:, :, 2:12, 2:12])
    assert seen[0].shape == (1, 4, 10, 10) and not seen[0][:, 2:].any()


def test_the_end_of_the_path_down_is_dropped_from():
    """Section 3.1: from the fourth level, before anything reads it, and from the fifth."""
    order = [name for name, _ in shapes_of(*on_shapes("unet"))]
    assert order == ["down1", "pool", "down2", "pool", "down3", "pool", "down4", "dropout", "pool", "down5", "dropout",
                     "up4", "up3", "up2", "up1", "last"]
    model, read = build("unet", base_channels=2, dropout=1.0), {}            # which leaves nothing
    for name in ("up4", "up3"):
        getattr(model, name).register_forward_hook(
            lambda layer, args, y, name=name: read.update({name: [bool(x.detach().numpy().any()) for x in args]}))
    model(minidl.randn(1, 1, 188, 188))
    assert read == {"up4": [False, False], "up3": [False, True]}


def test_weights_start_with_variance_2_by_the_number_of_inputs():
    """Section 3: N is 9 * 64 for a 3x3 convolution of 64 channels."""
    model = build("unet", base_channels=16, num_classes=40)
    for name, layer in model.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            n = layer.in_channels * (9 if layer.kernel_size == (3, 3) else 1)
            assert math.isclose(layer.weight.array.std(), math.sqrt(2 / n), rel_tol=0.15), name
            assert not layer.bias.array.any()


def test_one_batch_can_be_learned_by_heart(rng):
    """An image whose right half is bright, and one whose lower half is."""
    model = build("unet", base_channels=8, dropout=0.0)
    masks = np.zeros((2, 204, 204), int)
    masks[0, :, 102:] = masks[1, 102:] = 1
    images = minidl.tensor(masks[:, None] + 0.1 * rng.standard_normal((2, 1, 204, 204)), dtype=minidl.float32)
    masks = minidl.tensor(masks[:, 92:-92, 92:-92])
    optimizer = optim.Adam(model.parameters(), lr=0.005)
    for _ in range(300):
        loss = F.cross_entropy(model(images), masks)
        if loss.item() < 1e-3:
            return
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    raise AssertionError(loss.item())


def cells(rng, size=284):
    """An image (1, size, size) of bright discs in noise, between bright lines that are none; the mask of its middle."""
    y, x = np.mgrid[:size, :size]
    image, mask = 0.5 * rng.standard_normal((size, size)), np.zeros((size, size), int)
    for _ in range(12):
        (cy, cx), r = rng.uniform(0, size, 2), rng.uniform(12, 24)
        mask[(y - cy) ** 2 + (x - cx) ** 2 < r ** 2] = 1
    for slope, start in zip(rng.uniform(-1, 1, 6), rng.uniform(0, size, 6)):
        image[np.abs(slope * y + start - x) < 1.5] += 1
    return (image + mask)[None], mask[92:-92, 92:-92]


def batch_of_cells(rng, n):
    images, masks = zip(*[cells(rng) for _ in range(n)])
    return minidl.tensor(np.stack(images), dtype=minidl.float32), minidl.tensor(np.stack(masks))


@pytest.mark.slow
def test_it_learns_to_find_cells(rng):
    """Intersection over union of the cells that are there and those that are found, in images that are new."""
    model = build("unet", base_channels=4)
    optimizer = optim.Adam(model.parameters(), lr=0.005)
    for _ in range(250):
        images, masks = batch_of_cells(rng, 2)
        F.cross_entropy(model(images), masks).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    images, masks = batch_of_cells(rng, 10)
    with minidl.no_grad():
        found, there = model(images).numpy().argmax(1) == 1, masks.numpy() == 1
    iou = (found & there).sum() / (found | there).sum()
    assert iou > 0.9
