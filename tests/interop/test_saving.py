"""save and load."""
import errno
import os

import numpy as np
import pytest

import minidl
from minidl.interop import CheckpointError, load, save


def things():
    group = {"lr": 0.1, "betas": (0.9, 0.999), "params": [0, 1], "nesterov": False}
    return {
        "model": {"conv.weight": minidl.randn(2, 3, requires_grad=True), "empty": minidl.zeros(0, 4)},
        "optimizer": {"state": {0: {"momentum": minidl.randn(3).double(), "step": 7}, 1: {}},
                      "param_groups": [group]},
        "number": minidl.tensor(3), "mask": np.array([[True], [False]]),
        "sideways": np.arange(6.).reshape(2, 3).T, "scalar": np.float32(0.1), "third": 1 / 3,
        "random": {"state": 2 ** 127 + 1}, "nothing": None, "text": "ü\n", "infinite": float("inf"),
        "$strange": [{"$tensor": 1}], "a.b": minidl.ones(1), "a": {"b": minidl.zeros(1)},
        "__metadata__": minidl.ones(2),
    }


def same(x, y):
    """Equal in type and to the last bit, all the way down."""
    if isinstance(x, np.generic):
        return x.item() == y
    if type(x) is not type(y):
        return False
    if isinstance(x, dict):
        return list(x) == list(y) and all(same(x[key], y[key]) for key in x)
    if isinstance(x, (list, tuple)):
        return len(x) == len(y) and all(map(same, x, y))
    if isinstance(x, (minidl.Tensor, np.ndarray)):
        x, y = (z.detach().numpy() if isinstance(z, minidl.Tensor) else z for z in (x, y))
        return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
    return x == y


def test_everything_comes_back_to_the_last_bit(tmp_path):
    obj = things()
    save(obj, tmp_path / "all")
    assert same(obj, load(tmp_path / "all"))
    assert os.listdir(tmp_path) == ["all"]


def test_the_same_object_makes_the_same_bytes(tmp_path):
    obj = things()
    for name in "ab":
        save(obj, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_single_tensor_and_a_bare_number_can_be_saved(tmp_path):
    for obj in (minidl.arange(3), 5, []):
        save(obj, tmp_path / "one")
        assert same(obj, load(tmp_path / "one"))


def test_what_was_loaded_can_be_changed_and_the_file_does_not_notice(tmp_path):
    save({"w": minidl.ones(3)}, tmp_path / "w")
    load(tmp_path / "w")["w"].mul_(2)
    assert load(tmp_path / "w")["w"].tolist() == [1, 1, 1]


def test_safetensors_reads_a_state_dict_and_its_files_are_read(tmp_path):
    from safetensors.numpy import load_file, save_file
    w = np.random.default_rng(0).standard_normal((2, 3)).astype("f")
    save({"layer.weight": minidl.tensor(w)}, tmp_path / "ours")
    assert list(load_file(tmp_path / "ours")) == ["layer.weight"]
    np.testing.assert_array_equal(load_file(tmp_path / "ours")["layer.weight"], w)
    save_file({"layer.weight": w}, tmp_path / "theirs")
    np.testing.assert_array_equal(load(tmp_path / "theirs")["layer.weight"].numpy(), w)


@pytest.mark.parametrize("obj, name", [
    ({"a": [1, print]}, "a.1 is a builtin"), ({"a": {"b": {1}}}, "a.b is a set"),
    ({"c": np.array([1j])}, "c is an array of complex128"), ({(1, 2): 3}, r"a key \(1, 2\)")])
def test_what_only_pickle_could_store_is_refused_by_its_name(tmp_path, obj, name):
    with pytest.raises(TypeError, match=name):
        save(obj, tmp_path / "x")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("keep", [0, 5, 8, 200, -1])
def test_a_truncated_file_is_one_sentence(tmp_path, keep):
    save(things(), tmp_path / "x")
    content = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(content[:keep])
    with pytest.raises(CheckpointError, match="x: is no safetensors file, or a part of one is missing"):
        load(tmp_path / "x")


def test_one_changed_bit_anywhere_is_noticed(tmp_path):
    w = minidl.randn(20)
    save({"w": w}, tmp_path / "x")
    content = (tmp_path / "x").read_bytes()
    for place in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[place] ^= 1
        (tmp_path / "x").write_bytes(damaged)
        try:
            loaded = load(tmp_path / "x")
        except CheckpointError:
            continue
        assert same(loaded, {"w": w}), place        # "minidl" misspelt: any program's safetensors, and w is w


@pytest.mark.parametrize("content", [b"PK\3\4 and more", b"\x80\x02}q\x00."])
def test_a_file_of_torch_save_is_answered_with_the_way_to_read_it(tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match="minidl.interop.torch.load"):
        load(tmp_path / "model.pt")


def test_a_type_of_number_that_numpy_lacks_is_one_sentence(tmp_path):
    header = b'{"w":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    (tmp_path / "x").write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    with pytest.raises(CheckpointError, match="type that is not known"):
        load(tmp_path / "x")


@pytest.mark.parametrize("tree", ["[", '{"$tensor": "v"}', '{"$items": 3}', "[" * 100_000, '{"$tensor": []}'])
def test_a_tree_made_up_by_someone_is_one_sentence(tmp_path, tree):
    from safetensors.numpy import save_file

    from minidl.interop.saving import checksum
    arrays = {"w": np.ones(1)}
    save_file(arrays, tmp_path / "x", {"minidl": f"{checksum(tree, arrays)} {tree}"})
    with pytest.raises(CheckpointError, match="makes no sense"):
        load(tmp_path / "x")


def test_no_such_file_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        load(tmp_path / "x")


@pytest.mark.parametrize("when", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch, when):
    save({"w": minidl.ones(3)}, tmp_path / "x")

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")
    if when == "write":
        fdopen = os.fdopen

        def nearly_full(*args):
            file = fdopen(*args)
            file_write = file.write
            return Half(file, file_write)
        monkeypatch.setattr(os, "fdopen", nearly_full)
    else:
        monkeypatch.setattr(os, when, full)
    with pytest.raises(OSError, match="No space left"):
        save({"w": minidl.zeros(3000)}, tmp_path / "x")
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["x"]
    assert load(tmp_path / "x")["w"].tolist() == [1, 1, 1]


class Half:
    """A file that takes half of what it is given, and is full."""

    def __init__(self, file, write):
        self.file, self.write_to_disk = file, write

    def write(self, content):
        self.write_to_disk(content[:len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
