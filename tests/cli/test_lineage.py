"""The picture of the lineage: what is on the frontier, and whether one can read the names."""
import numpy as np
import pytest

from minidl.cli import main
from minidl.cli.lineage_picture import Point, frontier, picture, short_names

SMALL = ["lenet5_1998", "alexnet", "nin", "googlenet", "vgg16", "resnet18", "resnet34", "resnet50", "plain18", "resnet20",
         "wrn_16_4", "unet"]


@pytest.fixture
def few(monkeypatch):
    """As if there were only these networks."""
    import architectures
    from architectures import accuracies
    monkeypatch.setattr(architectures, "MODELS", {name: architectures.MODELS[name] for name in SMALL})
    monkeypatch.setattr(accuracies, "RESULTS", [result for result in accuracies.RESULTS if result.network in SMALL])


def test_lineage_prints_every_result_with_its_cost_and_source(few, capsys):
    """ResNet-50: He et al. 2015, table 3, and the table of their models' errors with one crop."""
    assert main(["lineage"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "2015 resnet50 25,557,032 3.86 G 22.85 6.71 10 crops He et al. 2015, table 3" in lines
    assert "2015 resnet50 25,557,032 3.86 G 24.7 7.8 1 crop He et al., with their published models" in lines
    assert "2014 googlenet 6,998,552 1.58 G 9.15 10 crops Szegedy et al. 2014, table 3" in lines
    assert [line for line in lines if line.endswith("errors in percent")] == [
        f"{data}, errors in percent" for data in ("MNIST", "ImageNet", "CIFAR-10")]
    assert lines[-1].endswith("such a number: unet")


@pytest.mark.parametrize("file, beginning", [("new/lineage.png", b"\x89PNG"), ("lineage.svg", b"<?xml")])
def test_lineage_draws_a_picture(few, file, beginning, tmp_path, capsys):
    assert main(["lineage", "--out", str(tmp_path / file)]) == 0
    assert (tmp_path / file).read_bytes().startswith(beginning)
    assert capsys.readouterr().out.endswith(f"the lineage is drawn in {tmp_path / file}\n")


def points(n, seed=0):
    rng = np.random.default_rng(seed)
    digits = rng.uniform(8, 10.5, n)
    columns = rng.integers(2012, 2020, n), 10 ** rng.uniform(6, 8.2, n), 10 ** digits, 100 - 8 * digits + rng.normal(0, 4, n)
    return [Point(f"network_{i}", *map(float, row)) for i, row in enumerate(zip(*columns))]


def test_the_frontier_has_the_points_that_nothing_beats():
    there = [*points(60), Point("dear", 2019, 1, 1e11, 1.0), Point("twin", 2019, 1, 1e11, 1.0)]
    there.insert(0, Point("as cheap as the cheapest", 2019, 1, min(point.macs for point in there), 50.0))

    def beaten(point):
        return any([other.macs <= point.macs and other.error <= point.error
                    and (other.macs, other.error) != (point.macs, point.error) for other in there])
    expected = {(point.macs, point.error) for point in there if not beaten(point)}
    best = frontier(there)
    assert {(point.macs, point.error) for point in best} == expected and len(best) == len(expected) > 3
    assert [point.macs for point in best] == sorted([point.macs for point in best])


def test_the_first_of_a_family_has_its_whole_name():
    families = (("vgg11", "vgg13"), ("efficientnet_b0", "efficientnet_b1"), ("plain18", "plain34"))
    assert short_names(["vgg11", "vgg13", "efficientnet_b0", "efficientnet_b1", "plain34", "nin"], families) == {
        "vgg11": "vgg11", "vgg13": "13", "efficientnet_b0": "efficientnet_b0", "efficientnet_b1": "1",
        "plain34": "plain34", "nin": "nin"}


def test_names_hide_neither_one_another_nor_a_disc():
    figure = picture([("one", points(30)), ("two", points(12, 1)), ("three", points(12, 2))], [])
    figure.draw_without_rendering()
    for axes in figure.axes:
        names = [text.get_window_extent() for text in axes.texts if text.get_text().startswith("network")]
        assert len(names) in (12, 30) and all([axes.bbox.containsx(x) for box in names for x in (box.x0, box.x1)])
        for i, box in enumerate(names):
            assert not any([box.overlaps(other) for other in names[:i]])
            for disc in axes.collections:
                for x, y in axes.transData.transform(disc.get_offsets()):
                    assert not box.contains(x, y)
