"""The table and the picture of a training."""
import csv

import pytest

from minidl.train import Evaluation, History, TrainStep


def two_epochs():
    history = History()
    for epoch in range(2):
        history.add(TrainStep(epoch, 0, 2.0 - epoch, 30, 10, 0.1, False))
        history.add(TrainStep(epoch, 1, 1.0 / 3, 10, 10, 0.05, True))
        history.end_epoch(Evaluation(0.7 - epoch / 3, 0.5 + epoch / 10, 0.9, 100))
    return history


def test_a_row_holds_means_over_the_images_of_the_epoch():
    row = two_epochs().rows[1]
    assert row == {"epoch": 2, "updates": 4, "lr": 0.05, "train_loss": pytest.approx((30 + 10 / 3) / 40),
                   "train_top1": 20 / 40, "test_loss": 0.7 - 1 / 3, "test_top1": 0.6, "test_top5": 0.9}


def test_the_csv_file_has_every_bit(tmp_path):
    history = two_epochs()
    history.save_csv(tmp_path / "h.csv")
    with open(tmp_path / "h.csv") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert rows == history.rows


def test_a_history_goes_on_in_the_middle_of_an_epoch():
    history = two_epochs()
    history.add(TrainStep(2, 0, 1.0, 30, 10, 0.1, False))
    other = History()
    other.load_state_dict(history.state_dict())
    for h in (history, other):
        h.add(TrainStep(2, 1, 3.0, 10, 10, 0.1, True))
        h.end_epoch(Evaluation(1.0, 0.5, 0.5, 100))
    assert other.rows == history.rows and len(other.rows) == 3


def test_a_saved_state_does_not_change_with_the_history():
    history = two_epochs()
    state = history.state_dict()
    history.end_epoch_of = None
    history.add(TrainStep(2, 0, 1.0, 30, 10, 0.1, True))
    history.end_epoch(Evaluation(1.0, 0.5, 0.5, 100))
    assert len(state["rows"]) == 2


@pytest.mark.parametrize("name, start", [("h.png", b"\x89PNG"), ("h.svg", b"<?xml")])
def test_the_curve_is_a_picture(tmp_path, name, start):
    two_epochs().save_picture(tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


def test_the_curve_shows_loss_and_error_of_both_parts():
    from minidl.train.history import learning_curve
    history = two_epochs()
    left, right = learning_curve(history.rows).axes
    losses = [history.column(name) for name in ("train_loss", "test_loss")]
    assert [list(line.get_ydata()) for line in left.lines] == losses
    errors = [[100 * (1 - x) for x in history.column(name)] for name in ("train_top1", "test_top1")]
    assert [list(line.get_ydata()) for line in right.lines] == errors
    assert [list(line.get_xdata()) for line in right.lines] == [[1, 2], [1, 2]]


def test_an_error_of_zero_can_be_drawn(tmp_path):
    history = two_epochs()
    history.rows[1]["test_top1"] = 1.0
    history.save_picture(tmp_path / "h.png")
