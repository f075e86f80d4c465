"""The benchmark of convolutions: which there are, what is compared, what is said; no time is asserted."""
import numpy as np
import pytest

from minidl.bench import convolutions, passes, report
from minidl.bench.cases import NETWORKS, Case
from minidl.cli import main
from minidl.kernels.cpu.convolution import PASSES, Convolution
from minidl.kernels.cpu.convolution import algorithm as auto


def convolution(x, w, stride=1, padding=0, groups=1):
    return Convolution(x, w, (stride,) * 2, (padding,) * 2, (1, 1), groups, np.dtype(np.float32))


C1, C3, C5 = (convolution((64, *x), w) for x, w in [((1, 32, 32), (6, 1, 5, 5)), ((6, 14, 14), (16, 6, 5, 5)),
                                                     ((16, 5, 5), (120, 16, 5, 5))])


def result(how=C1, **seconds):
    """A Result with one round, in which an algorithm took the same in every pass."""
    theirs = {step: {"PyTorch": seconds.pop("PyTorch", 4.0)} for step in PASSES}
    ours = {step: dict(seconds) for step in PASSES}
    errors = {step: dict.fromkeys(seconds, 1e-06) for step in PASSES}
    return convolutions.Result(how, {"lenet5 b64": 1}, errors, {
        "minidl": [ours], convolutions.OPPONENTS[0].name: [theirs],
        convolutions.OPPONENTS[1].name: [{step: {"PyTorch": 9.0} for step in PASSES}]})


def test_a_networks_convolutions_are_found_in_order_and_counted():
    assert list(convolutions.shapes([Case("lenet5", 64)]).items()) == [
        (how, {"lenet5 b64": 1}) for how in (C1, C3, C5)]
    found = convolutions.shapes([Case("resnet20", 2), Case("resnet32", 2)])              # He et al. 2015, section 4.2
    inner = convolution((2, 16, 32, 32), (16, 16, 3, 3), padding=1)
    assert found[inner] == {"resnet20 b2": 6, "resnet32 b2": 10}
    assert sum(networks["resnet20 b2"] for networks in found.values()) == 19 and len(found) == 6


def test_every_combination_of_algorithms_is_kept_once():
    found = convolutions.shapes(NETWORKS)
    few = convolutions.few(found)
    kinds = lambda them: {tuple(auto(step, how) for step in PASSES) for how in them}
    assert kinds(few) == kinds(found) and len(few) == len(kinds(found)) < len(found) / 4


def test_slow_algorithms_are_left_out_where_they_would_take_too_long():
    assert passes.macs(C3) == 64 * 16 * 10 * 10 * 6 * 5 * 5
    assert passes.names(C1) == ["im2col", "direct", "sliding", "batched", "fft"]
    assert passes.names(convolution((1, 1, 32, 32), (6, 1, 5, 5))) == ["naive", "im2col", "direct", "sliding", "fft"]
    large, whole, by_channel = (8, 64, 56, 56), (64, 64, 3, 3), (64, 1, 3, 3)
    assert passes.names(convolution(large, whole, padding=1)) == ["im2col", "direct", "sliding", "winograd", "winograd2"]
    assert passes.names(convolution(large, by_channel, padding=1, groups=64)) == ["im2col", "direct", "sliding", "depthwise"]


def test_a_convolution_survives_json():
    how = convolution((2, 4, 7, 6), (8, 2, 3, 3), stride=2, padding=1, groups=2)
    assert passes.convolution([list(x) if isinstance(x, tuple) else x for x in passes.as_lists(how)]) == how


def test_the_table_compares_autos_choice_with_pytorchs_faster_layout(monkeypatch):
    monkeypatch.setattr(convolutions, "algorithm", lambda step, how: "direct")
    headings, rows = convolutions.table([result(direct=2.0, im2col=1.0)])
    assert headings[2:] == ["auto", "auto ms", "PyTorch ms", "ratio", "GFLOP/s", "error", "im2col", "direct"]
    assert [row[:6] for row in rows] == [[name, step, "direct", "2000", "4000", "0.50"] for name, step in
                                         [("64x1x32x32 to 6, 5x5", "y"), ("", "gx"), ("", "gw")]]
    lines = convolutions.last_lines([result(direct=2.0, im2col=1.0), result(direct=2.0, im2col=1.9)])
    assert lines[0] == "y: auto's time by PyTorch's best, geometric mean of 2: 0.50; the slowest 0.50"
    assert lines[3].endswith("in 3 of 6 passes") and "direct 2000 ms, but im2col 1000 ms" in lines[4] and len(lines) == 7


def test_a_result_that_is_wrong_or_no_number_is_named(monkeypatch):
    monkeypatch.setattr(convolutions, "algorithm", lambda step, how: "direct")
    one = result(direct=2.0, im2col=1.0)
    assert not one.wrong
    one.errors["conv2d_gradient_w"] |= {"direct": 0.002, "im2col": None, "PyTorch": 0.5}
    assert one.wrong == [("conv2d_gradient_w", "direct"), ("conv2d_gradient_w", "im2col")]
    assert "WRONG: gw of 64x1x32x32 to 6, 5x5 by direct" in convolutions.last_lines([one])


@pytest.mark.parity
def test_minidls_passes_are_pytorchs(monkeypatch):
    pytest.importorskip("torch")
    how = convolution((2, 4, 9, 7), (6, 2, 3, 3), stride=2, padding=1, groups=2)
    errors = passes.errors(how)
    assert not passes.wrong(errors) and all(set(of_pass) == {"naive", "im2col", "direct", "sliding", "fft", "PyTorch"}
                                            for of_pass in errors.values())
    from minidl.kernels.cpu import direct
    monkeypatch.setattr(direct, "conv2d_gradient_x", lambda gy, w, shape, *_: np.ones(shape, np.float32))
    assert passes.wrong(passes.errors(how)) == [("conv2d_gradient_x", "direct")]


@pytest.mark.slow
@pytest.mark.parity
def test_the_smallest_benchmark_compares_and_draws(tmp_path, capsys):
    pytest.importorskip("torch")
    assert main(["bench", "conv", "lenet5:1", "--rounds", "1", "--seconds", "0", "--threads", "1", "--out",
                 str(tmp_path)]) == 0
    results = report.load(tmp_path / "conv.json")["results"]
    assert [one["name"] for one in results] == ["1x1x32x32 to 6, 5x5", "1x6x14x14 to 16, 5x5", "1x16x5x5 to 120, 5x5"]
    assert all(one["ratio"][step] > 0 and one["medians"][step]["naive"] > 0 for one in results for step in PASSES)
    assert (tmp_path / "conv.png").stat().st_size > 5000 and "auto takes the fastest" in capsys.readouterr().out
