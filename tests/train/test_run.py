"""A training that lives in a folder: it can be stopped anywhere, and goes on bit for bit."""
import errno
import os
import signal

import numpy as np
import pytest

import minidl
from minidl.interop import CheckpointError, load
from minidl.train import NonFiniteLoss, read_checkpoint
from minidl.train import run as run_module


def arrays_in(obj, path=""):
    """Every leaf of nested dicts and lists by its path; tensors and arrays as bytes."""
    if isinstance(obj, dict):
        return {k: v for key in obj for k, v in arrays_in(obj[key], f"{path}/{key}").items()}
    if isinstance(obj, (list, tuple)):
        return {k: v for i, x in enumerate(obj) for k, v in arrays_in(x, f"{path}/{i}").items()}
    if isinstance(obj, (minidl.Tensor, np.ndarray)):
        x = np.asarray(obj.detach().numpy() if isinstance(obj, minidl.Tensor) else obj)
        return {path: (str(x.dtype), x.shape, x.tobytes())}
    return {path: obj}


@pytest.mark.parametrize("accumulate, prefetch, stop", [
    (1, 0, 5),              # in the middle of the first epoch
    (1, 1, 9),              # while a thread has prepared batches that were not used
    (1, 0, 7),              # after the last batch of an epoch
    (3, 0, 4),              # updates of three batches, of which the last of an epoch has one
])
def test_stopped_and_resumed_equals_training_without_a_stop(tmp_path, tiny, accumulate, prefetch, stop):
    how = {"epochs": 2, "accumulate": accumulate, "max_norm": 1.0}
    straight = tiny.run(tmp_path / "straight")
    straight.start()
    losses = [step.loss for step in straight.train(**how)]

    first = tiny.run(tmp_path / "stopped", prefetch=prefetch)
    first.start()
    seen = []
    for step in first.train(**how):
        seen.append(step.loss)
        if len(seen) == stop:
            first.save()
            break
    second = tiny.run(tmp_path / "stopped", seed=99, prefetch=prefetch)      # nothing of the seed may matter
    minidl.rand(5)
    second.resume()
    seen += [step.loss for step in second.train(**how)]

    assert seen == losses
    states = [arrays_in(read_checkpoint(run.checkpoint)) for run in (straight, second)]
    assert states[0] == states[1]
    assert {"/model/0.weight", "/optimizer/state/0/momentum_buffer", "/scheduler/last_epoch", "/loader/epoch",
            "/average/module.0.weight", "/history/rows/1/test_loss", "/random/bit_generator/state/state",
            } <= set(states[0])
    csv = [(tmp_path / name / "history.csv").read_text() for name in ("straight", "stopped")]
    assert csv[0] == csv[1] and len(csv[0].splitlines()) == 3


@pytest.mark.parametrize("part", "model optimizer scheduler loader average history random".split())
def test_the_comparison_would_notice_any_part_that_was_not_resumed(tmp_path, tiny, part, monkeypatch):
    run = tiny.run(tmp_path)
    run.start()
    steps = run.train(2)
    for _ in range(5):
        next(steps)
    run.save()
    halfway = run.checkpoint.read_bytes()
    list(steps)
    expected = arrays_in(read_checkpoint(run.checkpoint))
    run.checkpoint.write_bytes(halfway)
    again = tiny.run(tmp_path, seed=99)
    if part == "random":
        monkeypatch.setattr("minidl.train.checkpoint.set_rng_state", lambda state: None)
    else:
        monkeypatch.setattr(type(getattr(again, part)), "load_state_dict", lambda self, state: None)
    again.resume()
    list(again.train(2))
    assert arrays_in(read_checkpoint(again.checkpoint)) != expected


def test_more_epochs_go_on_where_a_finished_training_ended(tmp_path, tiny):
    straight = tiny.run(tmp_path / "a")
    straight.start()
    steps = list(straight.train(2))
    short = tiny.run(tmp_path / "b")
    short.start()
    list(short.train(1))
    longer = tiny.run(tmp_path / "b", seed=5)
    longer.resume()
    assert list(longer.train(2)) == steps[7:]
    assert list(longer.train(2)) == []


def test_what_is_evaluated_and_kept_at_the_end_is_the_average(tmp_path, tiny):
    run = tiny.run(tmp_path)
    run.start()
    list(run.train(2))
    run.finish()
    weights = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(weights["0.weight"].numpy(), run.average.module[0].weight.detach().numpy())
    assert not np.array_equal(weights["0.weight"].numpy(), run.model[0].weight.detach().numpy())
    run.model.load_state_dict(weights)
    from minidl.train import evaluate
    assert evaluate(run.model, run.test_loader).loss == run.history.rows[-1]["test_loss"]


def test_an_older_training_in_the_folder_is_not_overwritten(tmp_path, tiny):
    tiny.run(tmp_path).start()
    with pytest.raises(FileExistsError, match="already holds a training.*--resume"):
        tiny.run(tmp_path).start()


def test_a_nan_loss_stops_and_says_where_and_what_is_whole(tmp_path, tiny):
    run = tiny.run(tmp_path)
    run.start()
    saved = []
    where = r"the loss is nan at epoch 2, batch 3 of 7, learning rate 0\.0\d+; .*"
    with pytest.raises(NonFiniteLoss, match=where + r"checkpoint\.safetensors \(after 7 updates, 1 whole epoch\)"):
        for step in run.train(3):
            if (step.epoch, step.batch) == (0, 6):
                saved = run.checkpoint.read_bytes()
            if (step.epoch, step.batch) == (1, 1):
                run.model[0].weight.detach()[0, 0, 0, 0] = float("nan")
    assert run.checkpoint.read_bytes() == saved


def test_weights_that_are_not_finite_never_replace_a_checkpoint(tmp_path, tiny):
    run = tiny.run(tmp_path)
    run.start()
    before = run.checkpoint.read_bytes()
    run.model[5].bias.detach()[3] = float("inf")
    with pytest.raises(ArithmeticError, match=r"5\.bias is no longer finite.*after 0 updates.* is whole"):
        run.save()
    assert run.checkpoint.read_bytes() == before


def test_a_full_disk_leaves_the_checkpoint_whole_and_says_so(tmp_path, tiny, monkeypatch):
    run = tiny.run(tmp_path)
    run.start()

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")
    steps = run.train(2)
    for _ in range(6):
        next(steps)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"no space is left on the disk.*after 0 updates.*whole"):
        next(steps)
    monkeypatch.undo()
    assert sorted(os.listdir(tmp_path)) == ["checkpoint.safetensors", "settings.json"]
    again = tiny.run(tmp_path)
    again.resume()
    assert len(list(again.train(1))) == 7


def test_a_training_with_other_settings_is_not_resumed(tmp_path, tiny):
    tiny.run(tmp_path).start()
    with pytest.raises(CheckpointError, match="is of a training with lr 0.05; this one has lr 0.1$"):
        tiny.run(tmp_path, lr=0.1).resume()


def test_another_model_is_one_sentence(tmp_path, tiny):
    tiny.run(tmp_path).start()
    other = tiny.run(tmp_path)
    other.model = minidl.nn.Linear(2, 3)
    with pytest.raises(CheckpointError, match="the model in it is another one"):
        other.resume()


def test_a_plain_state_dict_is_no_checkpoint(tmp_path, tiny):
    run = tiny.run(tmp_path)
    minidl.interop.save(run.model.state_dict(), run.checkpoint)
    with pytest.raises(CheckpointError, match="is no checkpoint of minidl's training; it holds 0.weight"):
        run.resume()


@pytest.fixture
def ctrl_c_interrupts():
    """As in a terminal; what a script starts in the background is born with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_a_question_first_and_an_interrupt_when_it_is_repeated(ctrl_c_interrupts):
    with run_module.interruption() as asked:
        assert not asked()
        signal.raise_signal(signal.SIGINT)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
