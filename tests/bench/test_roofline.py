"""The predicted time of a training step on a GPU: its kernels are counted as they are counted by hand."""
import numpy as np
import pytest

import minidl
import minidl.kernels
from minidl.bench.cases import NETWORKS, Case
from minidl.bench.launches import CHUNK_BYTES, COLUMNS, NORMS, OTHERS, PRODUCTS, UPDATE, Launch
from minidl.bench.roofline import H100, LAUNCHING, Ledger, bound, least_time, predict
from minidl.cli import main
from minidl.nn import functional as F
from minidl.tensor import of


def launched(function, *shapes):
    """The launches of function(*tensors), and of its backward pass."""
    with minidl.device("meta"):
        xs = [minidl.empty(*shape, requires_grad=True) for shape in shapes]
    with Ledger() as forward:
        y = function(*xs)
    with minidl.device("meta"):
        gy = minidl.empty(*y.shape)
    with Ledger() as backward:
        y.backward(gy)
    return forward.launches, backward.launches


def test_a_convolution_writes_its_columns_and_reads_them_in_a_product():
    N, C, H, W, out, KH, KW = 2, 3, 8, 6, 5, 3, 2
    OH, OW = 4, 5                                        # (8 + 2 - 3) // 2 + 1, 6 - 2 + 1
    image, cols, y, w = N * C * H * W, N * C * KH * KW * OH * OW, N * out * OH * OW, out * C * KH * KW
    flops = 2 * y * C * KH * KW
    forward, backward = launched(lambda x, w: F.conv2d(x, w, stride=(2, 1), padding=(1, 0)), (N, C, H, W), (out, C, KH, KW))
    turned = Launch(COLUMNS, 0, 4 * 2 * y)               # of (N, F, OH, OW) to (F, N, OH, OW), or back
    assert forward == [Launch(COLUMNS, 0, 4 * (image + cols)), Launch(PRODUCTS, flops, 4 * (w + cols + y)), turned]
    assert backward == [
        turned, Launch(PRODUCTS, flops, 4 * (w + y + cols)), Launch(COLUMNS, 0, 4 * (cols + image)),                 # gx
        Launch(COLUMNS, 0, 4 * w), Launch(COLUMNS, 0, 4 * (image + cols)), turned,                                   # gw
        Launch(PRODUCTS, flops, 4 * (cols + y + w)), Launch(COLUMNS, 0, 4 * 3 * w), Launch(COLUMNS, 0, 4 * 2 * w)]


def test_a_convolution_of_many_images_is_made_of_as_many_products_as_columns_fit_into_memory():
    forward, _ = launched(F.conv2d, (20, 64, 58, 58), (64, 64, 3, 3))
    assert 64 * 9 * 56 * 56 * 4 == 7_225_344 and CHUNK_BYTES // 7_225_344 == 9
    assert [one.flops // (2 * 64 * 56 * 56 * 576) for one in forward if one.kind == PRODUCTS] == [9, 9, 2]


def test_a_pointwise_convolution_has_no_columns():
    forward, backward = launched(F.conv2d, (2, 3, 8, 8), (7, 3, 1, 1))
    product = Launch(PRODUCTS, 2 * 896 * 3, 4 * (384 + 21 + 896))
    assert forward == [product] and backward[0] == product


def test_a_depthwise_convolution_is_one_kernel():
    forward, backward = launched(lambda x, w: F.conv2d(x, w, groups=3), (2, 3, 10, 8), (3, 1, 3, 3))
    product = Launch(PRODUCTS, 2 * 288 * 9, 4 * (480 + 27 + 288))
    turned = Launch(COLUMNS, 0, 4 * 2 * 27)              # the filters, for the gradient in x
    assert forward == [product] and backward[:3] == [turned, product, product] and len(backward) == 4


def test_few_filters_on_many_pixels_are_one_kernel_each_way():
    forward, backward = launched(lambda x, w: F.conv2d(x, w, padding=1), (2, 3, 64, 64), (16, 3, 3, 3))
    x, w, y = 2 * 3 * 64 * 64, 16 * 27, 2 * 16 * 64 * 64
    product = Launch(PRODUCTS, 2 * y * 27, 4 * (x + w + y))
    turned = Launch(COLUMNS, 0, 4 * 2 * w)               # the filters, for the gradient in x
    in_parts = Launch(PRODUCTS, 2 * y * 27, 4 * (x + 16 * w + y))                   # 16 of 512 pixels, to be added up
    assert forward == [product] and backward == [turned, product, in_parts, Launch(COLUMNS, 0, 4 * 17 * w)]


def test_a_linear_layer_is_a_product_and_an_addition():
    forward, _ = launched(F.linear, (64, 100), (10, 100), (10,))
    assert forward == [Launch(PRODUCTS, 2 * 64 * 100 * 10, 4 * (6400 + 1000 + 640)), Launch(OTHERS, 0, 4 * (640 + 10 + 640))]


def test_batch_norm_reads_its_input_for_statistics_and_again_for_the_result():
    x, C = 2 * 3 * 40 * 50, 3
    norm = lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True)
    forward, backward = launched(norm, (2, 3, 40, 50), (3,), (3,))
    norms = lambda found: [one for one in found if one.kind == NORMS]
    assert norms(forward) == [Launch(NORMS, 0, 4 * x), Launch(NORMS, 0, 0), Launch(NORMS, 0, 4 * (2 * x + 2 * C + 3 * C))]
    assert norms(backward) == [Launch(NORMS, 0, 8 * x), Launch(NORMS, 0, 0), Launch(NORMS, 0, 4 * (3 * x + 3 * C + 2 * C))]


def test_an_elementwise_op_on_a_large_array_is_one_kernel_each_way():
    n = 2 ** 16
    forward, backward = launched(lambda x: F.relu(x), (n,))
    assert forward == [Launch(OTHERS, 0, 8 * n)] and backward == [Launch(OTHERS, 0, 12 * n)]
    forward, backward = launched(lambda x: x.reshape(256, 256).T, (n,))
    assert forward == []                                 # only the same numbers, seen in another way
    assert backward == [Launch(OTHERS, 0, 8 * n)]        # which have to be moved before they are x.grad


def test_a_broadcast_array_is_read_once():
    forward, _ = launched(lambda x, b: x + b, (1000, 100), (100,))
    assert forward == [Launch(OTHERS, 0, 4 * (2 * 100_000 + 100))]


def test_gradients_that_meet_are_added():
    forward, backward = launched(lambda x: F.relu(x) + F.tanh(x), (50_000,))
    assert len(forward) == 3
    assert backward[-1] == Launch(OTHERS, 0, 4 * 150_000)


def test_an_update_with_momentum_reads_three_arrays_and_writes_two():
    with minidl.device("meta"):
        w = minidl.empty(1000, requires_grad=True)
        w.grad = minidl.empty(1000)
    optimizer = minidl.optim.SGD([w], lr=0.1, momentum=0.9)
    optimizer.step()
    with Ledger() as ledger:
        optimizer.step()
    assert ledger.launches == [Launch(UPDATE, 0, 4 * 5000)]


def test_a_kernel_waits_for_what_takes_longer():
    for launch, time, reason in (Launch(PRODUCTS, 67e12, 1), 1, "arithmetic"), (Launch(PRODUCTS, 1, 6.7e12), 2, "memory"):
        assert least_time(launch, H100) == time and bound(launch, H100) == reason


@pytest.mark.parametrize("case", [Case("lenet5", 64), Case("resnet20", 128)], ids=lambda case: case.name)
def test_the_parts_add_up_to_the_whole(case):
    found = predict(case)
    assert found.seconds == pytest.approx(sum(least_time(one, H100) + H100.launch for one in found.launches))
    assert sum(found.bounds.values()) == pytest.approx(found.seconds)
    assert found.kinds[LAUNCHING] == pytest.approx(5e-6 * len(found.launches))
    assert found.images_per_second * found.seconds == pytest.approx(case.batch)


def test_the_products_are_those_that_a_summary_counts():
    found = predict(Case("lenet5", 2))
    c1, c3, c5, f6, output = 6 * 28 * 28 * 25, 16 * 10 * 10 * 6 * 25, 120 * 16 * 25, 84 * 120, 10 * 84
    assert sum(one.flops for one in found.launches) == 2 * 2 * (3 * (c1 + c3 + c5 + f6 + output) - c1)


def test_everything_is_as_it_was_afterwards():
    before = dict(minidl.kernels._set_of)
    predict(Case("lenet5", 2))
    assert minidl.kernels._set_of == before and minidl.kernels.meta.MetaArray.watch is None
    with Ledger() as ledger:
        of(np.ones(3)) * 2
    assert ledger.launches == []                         # arrays with numbers are none of a ledger's


def test_all_networks_are_predicted_at_the_command_line(capsys):
    assert main(["bench", "roofline"]) == 0
    text = capsys.readouterr().out
    assert all(case.network in text for case in NETWORKS)
    assert "predicted ms" in text and "A prediction for an H100 SXM, not a measurement" in text
    assert main(["bench", "roofline", "resnet56:32"]) == 0 and "resnet56" in capsys.readouterr().out
