import time

import numpy as np
import pytest
from convolutions import arrays
from numpy.testing import assert_allclose, assert_array_equal

from minidl.kernels import autotune, conv_algorithm, cpu, naive, reference
from minidl.kernels.cpu import convolution
from minidl.kernels.cpu.convolution import ALGORITHMS, PASSES, Convolution, algorithm, suitable

# shape of x, shape of w, stride, padding, dilation, groups
CASES = {
    "plain":         ((2, 3, 7, 6), (4, 3, 3, 2), (1, 1), (0, 0), (1, 1), 1),
    "groups":        ((2, 4, 8, 5), (6, 2, 3, 3), (2, 1), (1, 2), (1, 2), 2),
    "depthwise":     ((1, 3, 5, 9), (3, 1, 2, 3), (1, 2), (1, 0), (2, 1), 3),
    "multiplied":    ((3, 2, 6, 5), (4, 1, 3, 3), (1, 1), (1, 1), (1, 1), 2),
    "pointwise":     ((3, 2, 4, 5), (5, 2, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    "skipping":      ((3, 2, 4, 5), (5, 2, 1, 1), (2, 3), (0, 0), (1, 1), 1),
    "shortcut":      ((2, 4, 5, 7), (6, 2, 1, 1), (2, 2), (0, 0), (1, 1), 2),
    "whole image":   ((4, 2, 5, 3), (6, 2, 5, 3), (1, 1), (0, 0), (1, 1), 1),
    "mostly edge":   ((1, 2, 3, 2), (2, 2, 3, 3), (2, 1), (4, 5), (1, 3), 1),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request):
    return request.param


@pytest.mark.parametrize("dtype, error", [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_convolution_and_its_gradients_are_the_seven_loops(k, case, dtype, error, rng):
    x, w, b, gy = arrays(case, rng, dtype)
    where = case[2:]
    for got, loops in [
            (k.conv2d(x, w, b, *where), naive.conv2d(x, w, b, *where)),
            (k.conv2d(x, w, None, *where), naive.conv2d(x, w, None, *where)),
            (k.conv2d_gradient_x(gy, w, x.shape, *where), naive.conv2d_gradient_x(gy, w, x.shape, *where)),
            (k.conv2d_gradient_w(gy, x, w.shape[2:], *where), naive.conv2d_gradient_w(gy, x, w.shape[2:], *where))]:
        assert got.dtype == dtype and got.flags.c_contiguous
        assert_allclose(got, loops, error, 10 * error)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("dtype, error", [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_every_algorithm_is_the_seven_loops_where_it_suits(name, case, dtype, error, rng):
    x, w, b, gy = arrays(case, rng, dtype)
    where = case[2:]
    with conv_algorithm(name):
        chosen = {algorithm(step, Convolution(x.shape, w.shape, *where, x.dtype)) for step in PASSES}
        assert (chosen == {name}) == ALGORITHMS[name].suits(x.shape, w.shape, *where, x.dtype)
        got = (cpu.conv2d(x, w, b, *where), cpu.conv2d_gradient_x(gy, w, x.shape, *where),
               cpu.conv2d_gradient_w(gy, x, w.shape[2:], *where))
    for a, loops in zip(got, [naive.conv2d(x, w, b, *where), naive.conv2d_gradient_x(gy, w, x.shape, *where),
                              naive.conv2d_gradient_w(gy, x, w.shape[2:], *where)]):
        assert a.dtype == dtype and a.flags.c_contiguous
        assert_allclose(a, loops, error, 10 * error)


def test_the_algorithm_is_chosen_for_a_block_or_for_good():
    with conv_algorithm("fft"):
        conv_algorithm("im2col")
        assert conv_algorithm.setting == "im2col"
    assert conv_algorithm.setting == "auto"
    with pytest.raises(ValueError, match="no algorithm 'cudnn'; there are auto, timed, naive, im2col"):
        conv_algorithm("cudnn")


@pytest.mark.parametrize("x, w, stride, padding, groups, name", [
    ((8, 16, 9, 9), (32, 16, 3, 3), 1, 1, 1, "winograd"), ((8, 16, 9, 9), (32, 16, 3, 3), 2, 1, 1, "direct"),
    ((8, 16, 2, 2), (32, 16, 3, 3), 1, 1, 1, "winograd2"), ((8, 16, 3, 3), (32, 16, 3, 3), 1, 1, 1, "winograd"),
    ((8, 16, 9, 9), (32, 16, 1, 1), 1, 0, 1, "gemm"), ((8, 16, 9, 9), (16, 1, 3, 3), 1, 1, 16, "depthwise"),
    ((8, 16, 9, 9), (16, 1, 1, 1), 2, 0, 16, "depthwise"), ((8, 16, 9, 9), (16, 1, 7, 7), 2, 3, 16, "depthwise"),
    ((8, 16, 5, 5), (32, 16, 5, 5), 1, 0, 1, "linear"), ((8, 3, 9, 9), (16, 3, 3, 3), 1, 1, 1, "sliding"),
    ((64, 6, 14, 14), (16, 6, 5, 5), 1, 0, 1, "batched")])
def test_the_rule_looks_at_shapes_and_float64_is_never_winograds(x, w, stride, padding, groups, name, monkeypatch):
    monkeypatch.setattr(convolution, "thread_count", lambda: 2)
    how = Convolution(x, w, (stride, stride), (padding, padding), (1, 1), groups, np.dtype(np.float32))
    assert {algorithm(step, how) for step in PASSES} == {name}
    double = how._replace(dtype=np.dtype(np.float64))
    only_float32 = {"winograd", "winograd2", "direct", "sliding", "batched"}
    assert {algorithm(step, double) for step in PASSES} <= {"im2col", name} - only_float32


def test_autotune_tries_what_suits_once_and_keeps_the_fastest(rng, monkeypatch):
    monkeypatch.setattr(conv_algorithm, "fastest", {})
    x, w, where = rng.standard_normal((2, 3, 6, 6)), rng.standard_normal((4, 3, 3, 3)), ((1, 1), (1, 1), (1, 1), 1)
    calls = []
    for name in suitable(Convolution(x.shape, w.shape, *where, x.dtype)):
        slow = ALGORITHMS[name].conv2d
        monkeypatch.setattr(ALGORITHMS[name], "conv2d", lambda *args, name=name, slow=slow: (
            calls.append(name), name == "fft" or time.sleep(0.02), slow(*args))[-1])
    with autotune():
        cpu.conv2d(x, w, None, *where)
        tried, calls[:] = calls[:], []
        cpu.conv2d(x, w, None, *where)
    assert tried == [name for name in dict.fromkeys(tried) for _ in range(2)] + ["fft"] and len(tried) > 4
    assert calls == ["fft"] and set(conv_algorithm.fastest.values()) == {"fft"}


def test_the_naive_gradients_are_the_transposes_of_the_naive_convolution(case, rng):
    x, w, _, gy = arrays(case, rng)
    where = case[2:]
    wanted = (gy * naive.conv2d(x, w, None, *where)).sum()
    assert_allclose((x * naive.conv2d_gradient_x(gy, w, x.shape, *where)).sum(), wanted)
    assert_allclose((w * naive.conv2d_gradient_w(gy, x, w.shape[2:], *where)).sum(), wanted)


def test_a_column_holds_its_patch_or_the_fill(k, case, rng):
    x, (KH, KW), (SH, SW), (PH, PW), (DH, DW) = arrays(case, rng)[0], case[1][2:], *case[2:5]
    cols = k.im2col(x, (KH, KW), (SH, SW), (PH, PW), (DH, DW), fill=9.0)
    assert cols.shape[:4] == (*x.shape[:2], KH, KW)
    for n, c, i, j, oy, ox in np.ndindex(cols.shape):
        iy, ix = oy * SH + i * DH - PH, ox * SW + j * DW - PW
        inside = 0 <= iy < x.shape[2] and 0 <= ix < x.shape[3]
        assert cols[n, c, i, j, oy, ox] == (x[n, c, iy, ix] if inside else 9.0)


def test_col2im_is_the_transpose_of_im2col(k, case, rng):
    x, size, where = arrays(case, rng)[0], case[1][2:], case[2:5]
    cols = k.im2col(x, size, *where)
    c = rng.standard_normal(cols.shape)
    assert_allclose((cols * c).sum(), (x * k.col2im(c, x.shape, *where)).sum())


def test_an_image_may_have_room_for_more_columns_than_are_put_into_it(k, case, rng):
    x, size, where = arrays(case, rng)[0], case[1][2:], case[2:5]
    cols = k.im2col(x, size, *where)
    some = cols[..., :max(1, cols.shape[4] - 1), :max(1, cols.shape[5] - 1)]             # output_padding makes room
    c = rng.standard_normal(some.shape)
    assert_allclose((some * c).sum(), (x * k.col2im(c, x.shape, *where)).sum(), atol=1e-12)


def test_an_empty_batch_gives_empty_images_and_no_gradient_in_w(k):
    x, w, gy = np.zeros((0, 3, 5, 5)), np.ones((4, 3, 3, 3)), np.zeros((0, 4, 3, 3))
    where = (1, 1), (0, 0), (1, 1), 1
    assert k.conv2d(x, w, None, *where).shape == gy.shape
    assert k.conv2d_gradient_x(gy, w, x.shape, *where).shape == x.shape
    assert_array_equal(k.conv2d_gradient_w(gy, x, (3, 3), *where), np.zeros_like(w))


def test_arrays_need_not_be_contiguous_nor_writable(k, rng):
    case = CASES["groups"]
    x, w, b, gy = arrays(case, rng)
    turned = np.ascontiguousarray(x.transpose(2, 3, 1, 0)).transpose(3, 2, 0, 1)         # x, laid out as (H, W, C, N)
    flipped = w[:, :, ::-1, ::-1].copy()[:, :, ::-1, ::-1]
    one = np.broadcast_to(gy[:1, :1], gy.shape)                                          # as the gradient of a sum is
    x.flags.writeable = False
    where = case[2:]
    assert_allclose(k.conv2d(turned, flipped, b, *where), naive.conv2d(x, w, b, *where))
    assert_allclose(k.conv2d(x, w, b, *where), naive.conv2d(x, w, b, *where))
    assert_allclose(k.conv2d_gradient_x(one, flipped, x.shape, *where),
                    naive.conv2d_gradient_x(one, w, x.shape, *where))
    assert_allclose(k.conv2d_gradient_w(one, turned, w.shape[2:], *where),
                    naive.conv2d_gradient_w(one, x, w.shape[2:], *where))


def test_the_size_of_a_block_of_columns_does_not_matter(k, case, rng, monkeypatch):
    x, w, b, gy = arrays(case, rng)
    where = case[2:]
    wanted = (k.conv2d(x, w, b, *where), k.conv2d_gradient_x(gy, w, x.shape, *where),
              k.conv2d_gradient_w(gy, x, w.shape[2:], *where))
    monkeypatch.setattr(reference.convolution, "CHUNK_BYTES", 1)             # one image at a time
    monkeypatch.setattr(cpu.columns, "IN_CACHE", 1)                          # one row at a time
    monkeypatch.setattr(cpu.columns, "PRODUCT", 1)
    monkeypatch.setattr(cpu.jit, "WORTH_A_THREAD", 1)                        # on every thread there is
    assert_allclose(k.conv2d(x, w, b, *where), wanted[0])
    assert_allclose(k.conv2d_gradient_x(gy, w, x.shape, *where), wanted[1])
    assert_allclose(k.conv2d_gradient_w(gy, x, w.shape[2:], *where), wanted[2], atol=1e-14)


def test_as_many_windows_fit_as_can_be_counted(k):
    for size, kernel, stride, padding, dilation in np.ndindex(8, 4, 4, 3, 3):
        kernel, stride, dilation = kernel + 1, stride + 1, dilation + 1
        starts = range(-padding, size + padding - dilation * (kernel - 1), stride)
        if len(starts):
            assert k.out_size(size, kernel, stride, padding, dilation) == len(starts)


@pytest.mark.parity
def test_convolution_is_pytorchs(k, case, rng):
    torch = pytest.importorskip("torch")
    x, w, b, gy = arrays(case, rng)
    where = case[2:]
    tx, tw = torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)
    y = torch.nn.functional.conv2d(tx, tw, torch.tensor(b), *where)
    y.backward(torch.tensor(gy))
    assert_allclose(k.conv2d(x, w, b, *where), y.detach().numpy())
    assert_allclose(k.conv2d_gradient_x(gy, w, x.shape, *where), tx.grad.numpy(), atol=1e-12)
    assert_allclose(k.conv2d_gradient_w(gy, x, w.shape[2:], *where), tw.grad.numpy(), atol=1e-12)
