"""A saved trace is the same again when it is loaded, always the same bytes, and a damaged one is refused in a sentence."""
import json
import subprocess
import sys

import numpy as np
import pytest
from networks import reduced

from minidl import trace
from minidl.nn import functional as F
from minidl.trace.difference import diff
from minidl.trace.exercises import exercise
from minidl.trace.saving import load, save

RNG = np.random.default_rng(0)


def f(x, w, b):
    y = F.relu(F.conv2d(x, w, padding=1) + b)
    return F.max_pool2d(y, 2)[..., :1].mean() + (y * x).sum()


def recorded(seed=0, **how):
    rng = np.random.default_rng(seed)
    return trace.record(f, rng.standard_normal((2, 3, 4, 4)), rng.standard_normal((3, 3, 3, 3)),
                        rng.standard_normal((3, 1, 1)), **how)


def same(a, b):
    assert [(x.kind, x.node.label) for x in a.moments] == [(x.kind, x.node.label) for x in b.moments]
    for x, y in zip(a.nodes, b.nodes):
        assert (x.kind, x.text, x.module, x.where) == (y.kind, y.text, y.module, y.where)
        assert [(s.name, s.wanted, getattr(s.source, "label", None)) for s in x.slots] == [
            (s.name, s.wanted, getattr(s.source, "label", None)) for s in y.slots]
    for x, y in zip([*a.nodes, *a.leaves], [*b.nodes, *b.leaves]):
        np.testing.assert_array_equal(x.value.numbers, y.value.numbers)
        assert x.value.dtype == y.value.dtype and x.value.statistics == y.value.statistics


@pytest.mark.parametrize("cap", [None, 20])
def test_what_is_loaded_is_what_was_saved(tmp_path, cap):
    t = recorded(cap=cap)
    save(t, tmp_path / "t.json")
    loaded = load(tmp_path / "t.json")
    same(t, loaded)
    assert not loaded.faults and loaded.title == "f" and loaded.result.kind == "Add"
    for x, y in zip(t.moments, loaded.moments):
        if x.kind == "send":
            np.testing.assert_array_equal(x.total.numbers, y.total.numbers)
            assert (x.summed, x.slot, x.target.label) == (y.summed, y.slot, y.target.label)


def test_the_same_trace_gives_the_same_bytes(tmp_path):
    for name in "ab":
        save(recorded(), tmp_path / f"{name}.json")
    for ending in "json", "npz":
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_its_ops_can_be_run_again(tmp_path):
    t = recorded()
    save(t, tmp_path / "t.json")
    for x, y in zip(t, load(tmp_path / "t.json")):
        assert repr(y.op) == x.text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet20", "unet", "nasnet_a_cifar10"])
def test_networks_can_be_saved(tmp_path, name):
    model, (images, labels) = reduced(name)
    t = trace.record(model, images, labels)
    save(t, tmp_path / "t.json")
    same(t, load(tmp_path / "t.json"))


def test_an_error_and_an_op_without_a_result_are_kept(tmp_path):
    t = trace.record(lambda x, w: x @ w + x, RNG.standard_normal((3, 4)), RNG.standard_normal((4, 2)))
    save(t, tmp_path / "t.json")
    loaded = load(tmp_path / "t.json")
    assert loaded.error == t.error and loaded.nodes[-1].value is None


def test_another_program_can_check_it_without_minidl(tmp_path):
    """With the standard library and NumPy: contributions add up to what enters, and digests are those of the numbers."""
    save(recorded(), tmp_path / "t.json")
    program = '''
import hashlib, json, sys, numpy as np
t, arrays = json.load(open(sys.argv[1] + ".json")), np.load(sys.argv[1] + ".npz")
sums, checked = {}, 0
for m in t["moments"]:
    if m["kind"] == "send":
        target = t["nodes"][int(m["node"].split()[1])]["slots"][m["slot"]]["source"]
        sums[target] = sums.get(target, 0) + arrays[m["contribution"]["numbers"]]
    if m["kind"] in ("enter", "leaf") and m["node"] in sums:
        assert np.allclose(sums[m["node"]], arrays[m["gradient"]["numbers"]], rtol=1e-12)
        a = arrays[m["gradient"]["numbers"]]
        content = f"{a.shape} {a.dtype.str}".encode() + a.tobytes()
        assert hashlib.blake2b(content, digest_size=8).hexdigest() == m["gradient"]["digest"]
        checked += 1
print(checked)
'''
    answer = subprocess.run([sys.executable, "-c", program, str(tmp_path / "t")], capture_output=True, text=True)
    assert not answer.stderr and int(answer.stdout) >= 8


# ---- damaged and hostile files


def changed(path, change):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("change, says", [
    (lambda d: d.update(format="minidl trace 99"), "does not begin with the words 'minidl trace 1'"),
    (lambda d: d.pop("nodes"), "'nodes' is missing"),
    (lambda d: d["nodes"][0]["slots"][0].update(source="node 99"), "index out of range"),
    (lambda d: d["nodes"][0]["slots"][0].update(source="node 3"), "which comes later"),
    (lambda d: d["nodes"][0].update(text=5), "5 stands where a word should be"),
    (lambda d: d["moments"].append({"kind": "explode", "node": "node 0"}), "no moment of the kind 'explode'"),
    (lambda d: d["leaves"][0]["value"].update(shape=[10 ** 6, 10 ** 6, 1, 1]), "is no part of one of shape"),
    (lambda d: d["leaves"][0]["value"].update(digest="00"), "are not those that were written"),
    (lambda d: d["leaves"][0]["value"].update(numbers="../../etc/passwd"), "is missing"),
    (lambda d: d.update(leaves=7), "not iterable"),
])
def test_a_damaged_document_is_refused(tmp_path, change, says):
    save(recorded(), tmp_path / "t.json")
    changed(tmp_path / "t.json", change)
    with pytest.raises(ValueError, match=says) as error:
        load(tmp_path / "t.json")
    assert str(tmp_path / "t.json") in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("ending", ["json", "npz"])
@pytest.mark.parametrize("part", [0, 0.3, 0.9])
def test_a_truncated_file_is_refused(tmp_path, ending, part):
    save(recorded(), tmp_path / "t.json")
    file = tmp_path / f"t.{ending}"
    file.write_bytes(file.read_bytes()[:int(part * file.stat().st_size)])
    with pytest.raises(ValueError, match="this is not the trace that minidl wrote"):
        load(tmp_path / "t.json")


def test_an_array_that_unpacks_to_more_than_the_file_is_refused(tmp_path):
    save(recorded(), tmp_path / "t.json")
    with np.load(tmp_path / "t.npz") as arrays:
        np.savez_compressed(tmp_path / "t.npz", **arrays)
    with pytest.raises(ValueError, match="is compressed"):
        load(tmp_path / "t.json")


def test_pickles_are_not_opened(tmp_path):
    save(recorded(), tmp_path / "t.json")
    with np.load(tmp_path / "t.npz") as arrays:
        arrays = dict(arrays)
    arrays["a0"] = np.array([print], object)
    with open(tmp_path / "t.npz", "wb") as file:
        np.savez(file, **arrays)
    with pytest.raises(ValueError, match="a0 is damaged"):
        load(tmp_path / "t.json")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none.json: there is no such file"):
        load(tmp_path / "none.json")
    with pytest.raises(ValueError, match=r"ends in .json"):
        save(recorded(), tmp_path / "t.txt")


def test_settings_that_are_none_of_the_op_do_not_make_one(tmp_path):
    save(recorded(), tmp_path / "t.json")
    changed(tmp_path / "t.json", lambda d: d["nodes"][0].update(settings={"__class__": "x"}))
    changed(tmp_path / "t.json", lambda d: d["nodes"][1].update(kind="Popen"))
    loaded = load(tmp_path / "t.json")
    assert loaded.nodes[0].op is None and loaded.nodes[1].op is None and loaded.nodes[2].op is not None


def test_a_lie_about_a_gradient_is_found_by_the_invariants(tmp_path):
    """Its array and its digest are those of another one, and it claims that all is well."""
    t = recorded()
    save(t, tmp_path / "t.json")

    def lie(document):
        enter = next(m for m in document["moments"] if m["kind"] == "leaf")
        enter["gradient"] = document["leaves"][int(enter["node"].split()[1])]["value"]
    changed(tmp_path / "t.json", lie)
    assert [fault.rule for fault in load(tmp_path / "t.json").faults] == ["ledger"]


def test_a_contribution_that_came_late_is_late_again_when_it_is_loaded(tmp_path):
    t = exercise(2).trace
    save(t, tmp_path / "t.json")
    assert [str(fault) for fault in load(tmp_path / "t.json").faults] == [str(fault) for fault in t.faults]
    assert "late" in {fault.rule for fault in t.faults}


# ---- diff


def test_a_trace_does_not_differ_from_itself(tmp_path):
    t = recorded()
    save(t, tmp_path / "t.json")
    assert diff(t, load(tmp_path / "t.json")).title == "no difference"


def test_the_first_difference_is_where_the_numbers_part():
    a = recorded()
    b = trace.record(f, *[leaf.value.numbers if leaf.name != "b" else leaf.value.numbers * 1.5 for leaf in a.leaves[:3]])
    rows = diff(a, b).blocks[0].rows
    assert rows[0][:3] == ["b", "", "value"] and rows[0][3] == pytest.approx(0.5)
    assert [row[0] for row in rows if row[2] == "value"][1] == "Add #1"
    assert not [row for row in rows if row[0] == "Conv2d #0" and row[2] == "value"]


def test_ops_that_only_one_has_are_named():
    a = trace.record(lambda x: x.exp().sum(), np.ones(3))
    b = trace.record(lambda x: x.exp().relu().sum(), np.ones(3))
    rows = diff(a, b).blocks[0].rows
    assert rows == [["ReLU #1", "", "only in the second", ""]]
