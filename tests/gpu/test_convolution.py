"""Convolution on a GPU: which kernels it goes through, and that columns are made for some images at a time."""
import sys

import numpy as np
import pytest
from gpu_cases.convolution import passes

from minidl.kernels import reference


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_the_columns_of_some_images_after_others_make_the_same(gpu, images, groups, monkeypatch):
    x, w = (5, 4, 6, 7), (4, 4 // groups, 3, 2)
    bytes_of_columns = 4 * 3 * 2 * 4 * 6 * 8             # of an image: C KH KW OH OW, float64
    monkeypatch.setattr(sys.modules["minidl.kernels.gpu.convolution"], "CHUNK_BYTES", images * bytes_of_columns)
    for call in passes((x, w, (1, 1), (0, 0), (1, 1), groups)):
        call.agrees(gpu, reference, "float64")


@pytest.mark.parametrize("x, w, groups, launched", [
    ((8, 3, 32, 32), (32, 3, 1, 2), 1, ["direct"]),
    ((8, 4, 32, 32), (64, 2, 1, 2), 2, ["direct"]),
    ((8, 8, 32, 32), (33, 8, 4, 2), 1, ["direct"]),
    ((8, 9, 32, 32), (33, 9, 4, 2), 1, ["im2col"]),                       # neither few filters nor small ones
    ((8, 9, 32, 32), (32, 9, 4, 2), 1, ["direct"]),
    ((7, 3, 32, 32), (32, 3, 1, 2), 1, ["im2col"]),                       # too few pixels to have all of a GPU at work
    ((2, 3, 8, 8), (5, 3, 1, 1), 1, []),                                  # images that are their own columns
    ((2, 3, 8, 7), (5, 3, 1, 1), 1, ["im2col"]),                          # and small ones
    ((2, 3, 8, 8), (6, 1, 3, 3), 3, ["depthwise"]),
])
def test_shapes_say_which_kernels_a_convolution_goes_through(gpu, x, w, groups, launched, monkeypatch):
    import cupy
    convolution = sys.modules["minidl.kernels.gpu.convolution"]
    names = []
    monkeypatch.setattr(convolution.kernels, "blocks", lambda name, *_: names.append(name))
    padding = (w[2] // 2, w[3] // 2)                     # at least as many pixels in y as in x
    ones = [cupy.ones(shape, np.float32) for shape in (x, w)]
    gpu.conv2d(*ones, None, (1, 1), padding, (1, 1), groups)
    assert names == launched
