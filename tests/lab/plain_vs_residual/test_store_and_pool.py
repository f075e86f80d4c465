"""Results are computed once, in fresh processes, and files are whole or not there."""
import json
import os
from dataclasses import dataclass

import pytest

from minidl.lab.nets import Design
from minidl.lab.plain_vs_residual import pool
from minidl.lab.plain_vs_residual.store import Store
from minidl.lab.plain_vs_residual.training import Training

TRAINING = Training(Design("mlp", 2, 8, init="he"), lr=0.1, seed=3, epochs=2)


@dataclass(frozen=True)
class Task:
    number: int
    cost: int = 1


def test_a_result_comes_back_and_belongs_to_all_settings_of_its_task(tmp_path):
    store = Store(tmp_path / "results")
    assert store.get(TRAINING) is None
    store.put(TRAINING, {"losses": [0.1, 2.0]})
    assert Store(tmp_path / "results").get(TRAINING) == {"losses": [0.1, 2.0]}
    for other in (Training(TRAINING.design, 0.1, 4, 2), Training(TRAINING.design, 0.11, 3, 2),
                  Training(Design("mlp", 2, 8, init="xavier"), 0.1, 3, 2), Task(3)):
        assert store.get(other) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"task": 1}', '{"task": {"do": "Other"}, "result": {}}'])
def test_a_file_that_is_not_what_it_should_be_is_one_sentence(tmp_path, text):
    store = Store(tmp_path)
    store.put(TRAINING, {"losses": []})
    store.path(TRAINING).write_text(text)
    with pytest.raises(ValueError, match="does not hold the result of the task that it is named after; delete it"):
        store.get(TRAINING)


def test_an_error_while_writing_leaves_no_file(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(TypeError):
        store.put(TRAINING, {"losses": object()})
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_computed_again(tmp_path, monkeypatch):
    asked = []

    def computed(tasks, processes):
        asked.append(list(tasks))
        yield from ((task, {"number": task.number}) for task in reversed(tasks))
    monkeypatch.setattr(pool, "computed", computed)
    store = Store(tmp_path)
    store.put(Task(1), {"number": "from before"})
    said = []
    found = pool.results([Task(2), Task(1), Task(3, cost=9), Task(2)], store, 2, said.append)
    assert [result["number"] for result in found] == [2, "from before", 3, 2]
    assert asked == [[Task(3, cost=9), Task(2)]]                                 # once each, the most costly first
    assert said[0] == "2 of 3 left" and said[-1].startswith("0 of 3 left")
    pool.results([Task(2), Task(1)], store, 2)
    assert asked[1] == []


def test_tasks_run_in_other_processes_of_one_thread_and_those_done_are_kept_when_one_fails(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with pool.one_thread_each():
        assert {os.environ[f"{library}_NUM_THREADS"] for library in pool.LIBRARIES} == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "7" and "MKL_NUM_THREADS" not in os.environ
    store = Store(tmp_path)
    wrong = Training(TRAINING.design, 0.1, 0, epochs=1, batch_size=10 ** 6)        # not one batch: an error
    with pytest.raises(ValueError, match="batch"):
        pool.results([Training(TRAINING.design, 0.1, 0, epochs=2), wrong], store, 1)
    held, = (json.loads(path.read_text()) for path in tmp_path.iterdir())
    assert held["task"]["batch_size"] == 64 and len(held["result"]["losses"]) == 2
