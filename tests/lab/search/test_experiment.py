"""The experiment: equal budgets, one reward for a cell, and a folder from which it goes on."""
import numpy as np
import pytest

import minidl
from minidl.cli import main
from minidl.interop import CheckpointError, save
from minidl.lab.search import report
from minidl.lab.search.child import accuracy, digits, trained
from minidl.lab.search.experiment import Experiment, Final, Track
from minidl.lab.search.space import Space


def convolutions(cell):
    """A reward that takes no training."""
    return sum(name.startswith("conv") for pair in cell for name, _ in pair) / 6


def drawn(experiment):
    return [(track.name, track.seed, track.samples) for track in experiment.tracks]


@pytest.fixture
def whole(tmp_path):
    experiment = Experiment(tmp_path / "whole", 20, 2, reward=convolutions)
    experiment.start()
    for _ in experiment.run():
        pass
    return experiment


def test_both_searches_draw_equally_many_cells_from_every_seed(whole):
    assert [(track.name, track.seed, len(track.samples)) for track in whole.tracks] == [
        ("REINFORCE", 0, 20), ("random", 0, 20), ("REINFORCE", 1, 20), ("random", 1, 20)]
    assert len({tuple(track.samples) for track in whole.tracks}) == 4
    assert all(reward == convolutions(cell) for track in whole.tracks for cell, reward in track.samples)


def test_a_cell_is_trained_once(tmp_path):
    asked = []
    experiment = Experiment(tmp_path, 40, 2, space=Space(1), reward=lambda cell: asked.append(cell) or 0.5)
    for _ in experiment.run():
        pass
    assert len(asked) == len(set(asked)) < 160


@pytest.mark.parametrize("batches", [1, 3, 4, 9, 15])
def test_what_is_stopped_and_goes_on_is_what_was_never_stopped(tmp_path, whole, batches):
    """Stopped in the middle of the next batch, too: of that nothing is left."""
    folder, children = tmp_path / "broken", iter([])
    experiment = Experiment(folder, 20, 2, reward=convolutions)
    experiment.start()
    steps = experiment.run()
    for _ in range(batches):
        next(steps)
    experiment.reward = lambda cell: next(children)                   # as a Ctrl-C would, while a child is trained
    experiment.known.clear()
    with pytest.raises(RuntimeError):
        next(steps)
    minidl.manual_seed(123)                                           # the next process has another past
    again = Experiment.resumed(folder, reward=convolutions)
    assert sum(len(track.samples) for track in again.tracks) == 5 * batches
    for _ in again.run():
        pass
    assert drawn(again) == drawn(whole)
    assert again.checkpoint.read_bytes() == whole.checkpoint.read_bytes()


def test_a_search_can_be_given_a_larger_budget(whole, tmp_path):
    longer = Experiment.resumed(whole.folder, budget=30, reward=convolutions)
    for _ in longer.run():
        pass
    at_once = Experiment(tmp_path / "at once", 30, 2, reward=convolutions)
    for _ in at_once.run():
        pass
    assert drawn(longer) == drawn(at_once)


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(whole, monkeypatch):
    before = whole.checkpoint.read_bytes()
    whole.tracks[0].samples.append((object(), 0.5))
    with pytest.raises(TypeError):
        whole.save()
    assert whole.checkpoint.read_bytes() == before
    assert [path.name for path in whole.folder.iterdir()] == ["checkpoint.safetensors"]


def test_a_folder_with_a_search_is_not_overwritten_and_one_without_not_resumed(whole, tmp_path):
    with pytest.raises(FileExistsError, match="--resume"):
        Experiment(whole.folder, 20, 2).start()
    with pytest.raises(FileNotFoundError):
        Experiment.resumed(tmp_path / "nothing")
    (tmp_path / "other").mkdir()
    save({"format": "another"}, tmp_path / "other" / "checkpoint.safetensors")
    with pytest.raises(CheckpointError, match="no checkpoint of an architecture search"):
        Experiment.resumed(tmp_path / "other")


# ---- children


CELL = ((("conv 3x3", 0), ("identity", 1)),)


def test_a_child_is_the_same_bits_from_the_same_seed_and_leaves_the_default_generator_alone():
    data = digits()
    before = minidl.get_rng_state()
    one, same, other = [trained(CELL, *data.train, 1, seed).state_dict() for seed in (0, 0, 1)]
    assert minidl.get_rng_state() == before
    assert all(np.array_equal(one[name].numpy(), same[name].numpy()) for name in one)
    assert not np.array_equal(one["stem.0.weight"].numpy(), other["stem.0.weight"].numpy())


def test_a_child_learns_the_digits():
    """A tenth by chance; after four epochs most."""
    data = digits()
    assert accuracy(trained(CELL, *data.train, 4, 0), *data.validation) > 0.7


def test_the_three_parts_of_the_digits_share_no_image():
    data = digits()
    assert [len(labels) for _, labels in data] == [1000, 347, 450]
    assert [sorted(set(labels)) for _, labels in data] == [list(range(10))] * 3
    parts = [{image.tobytes() for image in images} for images, _ in data]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert len(data.all_of_training[1]) == 1347


# ---- the report


def tracks(differences, cells=8):
    """Random search gets 0.5 at every cell, REINFORCE so much more, seed by seed."""
    made = []
    for seed, difference in enumerate(differences):
        for name, reward in (("REINFORCE", 0.5 + difference), ("random", 0.5)):
            made.append(Track(name, seed, None, [(CELL, reward)] * cells))
    return made, [Final(track.name, track.seed, CELL, track.rewards[0], track.rewards[0]) for track in made] + [
        Final("the first cell", 0, CELL, 0.5, 0.5)]


@pytest.mark.parametrize("differences, verdict", [
    ([0.02, 0.03, 0.025], "more than random search"), ([-0.02, -0.03, -0.025], "less than random search"),
    ([0.03, -0.02, 0.01], "no difference can be seen")])
def test_the_verdict_is_what_students_t_says(differences, verdict):
    """Half the interval of 3 pairs is t(0.975; 2) = 4.3027 (tables) standard deviations by sqrt(3)."""
    said = list(report.sentences(*tracks(differences)))
    half = 430.27 * np.std(differences, ddof=1) / np.sqrt(3)
    assert all(line.endswith(f"{100 * np.mean(differences):+.2f} ± {half:.2f} percentage points (95 %, 3 pairs): {verdict}")
               for line in said)


def test_one_seed_gets_no_verdict():
    assert all("one seed tells nothing" in line for line in report.sentences(*tracks([0.1])))


def test_the_running_mean_is_of_the_last_few():
    np.testing.assert_allclose(report.running_mean(np.array([1., 3, 5, 7]), 2), [1, 2, 4, 6])


# ---- the command


@pytest.mark.slow
def test_the_command_prints_a_table_and_goes_on_where_it_was(tmp_path, capsys):
    args = ["lab", "search", "--seeds", "2", "--out", str(tmp_path / "out")]
    assert main([*args, "--budget", "5"]) == 0
    first = capsys.readouterr().out
    assert main([*args, "--budget", "5"]) == 2 and "--resume" in capsys.readouterr().err
    assert main(["lab", "search", "--resume", "--budget", "10", "--out", str(tmp_path / "out")]) == 0
    second = capsys.readouterr().out
    for said in (first, second):
        assert "REINFORCE" in said and "random" in said and "the first cell" in said
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"checkpoint.safetensors", "samples.csv", "search.png"}
    assert len((tmp_path / "out" / "samples.csv").read_text().splitlines()) == 1 + 4 * 10


@pytest.mark.parametrize("args, said", [
    (["--budget", "7"], "a budget of 7 cells; a multiple of 5"),
    (["--budget", "0"], "--budget"),
    (["--seeds", "0"], "--seeds"),
    (["--resume", "--out", "nowhere"], "nowhere"),
])
def test_bad_input_is_one_sentence(tmp_path, monkeypatch, capsys, args, said):
    monkeypatch.chdir(tmp_path)
    assert main(["lab", "search", *args]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and said in lines[0]
    assert not list(tmp_path.iterdir())
