"""The files are pickled here as Python 2 with the NumPy of 2009 did; the published ones cannot be shipped."""

import os
import pickle
import struct
import subprocess

import numpy as np
import pytest

from minidl.utils.data import DataError
from minidl.utils.data.cifar import read_cifar, read_class_names


def python2_string(text):
    short = len(text) < 256
    return (b"U" + struct.pack("<B", len(text)) if short else b"T" + struct.pack("<i", len(text))) + text


def python2_array(array):
    """An array as NumPy's __reduce__ puts it into protocol 2, in opcodes."""
    return b"".join([
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR",
        b"(K\x01(", *(b"M" + struct.pack("<H", length) for length in array.shape), b"t",
        b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
        b"\x89", python2_string(array.tobytes()), b"tb"])


def python2_batch(array, labels, key=b"labels"):
    return b"".join([
        b"\x80\x02}(", python2_string(b"data"), python2_array(array),
        python2_string(key), b"](", *(b"K" + bytes([label]) for label in labels), b"e",
        python2_string(b"batch_label"), python2_string(b"training batch 1 of 5"), b"u."])


def modern_batch(array, labels, key=b"labels"):
    return pickle.dumps({b"data": array, key: labels}, protocol=3)


ROWS = np.random.default_rng(0).integers(0, 256, (6, 3072), dtype=np.uint8)


@pytest.mark.parametrize("write", [python2_batch, modern_batch])
def test_rows_are_planes_of_red_green_and_blue(tmp_path, write):
    (tmp_path / "one").write_bytes(write(ROWS[:4], [3, 1, 4, 1]))
    (tmp_path / "two").write_bytes(write(ROWS[4:], [5, 9]))
    images, labels = read_cifar([tmp_path / "one", tmp_path / "two"], b"labels")
    assert images.shape == (6, 3, 32, 32) and images.dtype == np.uint8
    assert labels.tolist() == [3, 1, 4, 1, 5, 9] and labels.dtype == np.int64
    for n, channel, row, column in [(0, 0, 0, 0), (2, 1, 3, 7), (5, 2, 31, 31)]:
        assert images[n, channel, row, column] == ROWS[n, 1024 * channel + 32 * row + column]


def test_an_array_that_was_stored_by_columns_is_read_by_columns(tmp_path):
    (tmp_path / "batch").write_bytes(modern_batch(np.asfortranarray(ROWS), [*range(6)]))
    np.testing.assert_array_equal(read_cifar([tmp_path / "batch"], b"labels")[0].reshape(6, -1), ROWS)


def test_the_pickles_made_here_are_what_numpy_reads():
    batch = pickle.loads(python2_batch(ROWS, range(6)), encoding="bytes")
    np.testing.assert_array_equal(batch[b"data"], ROWS)
    assert batch[b"labels"] == [*range(6)]


def test_class_names_are_read(tmp_path):
    (tmp_path / "meta").write_bytes(pickle.dumps({b"label_names": [b"airplane", b"automobile"]}, 3))
    assert read_class_names(tmp_path / "meta", b"label_names") == ["airplane", "automobile"]
    with pytest.raises(DataError, match="holds no list fine_label_names"):
        read_class_names(tmp_path / "meta", b"fine_label_names")


class Call:
    """Pickles as a call of a function: what a hostile file does."""
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("call", [
    Call(os.system, "touch hacked"), Call(eval, "open('hacked', 'w')"), Call(open, "hacked", "w"),
    Call(subprocess.run, ["touch", "hacked"]), Call(np.load, "x", None, True), Call(getattr, {}, "keys"),
], ids=lambda call: call.call[0].__name__)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_hostile_pickle_is_refused_before_it_does_anything(tmp_path, monkeypatch, call, protocol):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "batch").write_bytes(pickle.dumps({b"data": call, b"labels": [1]}, protocol))
    with pytest.raises(DataError, match=r"batch: not a file of this set \(it asks for .*no use for"):
        read_cifar([tmp_path / "batch"], b"labels")
    assert [path.name for path in tmp_path.iterdir()] == ["batch"]


def test_the_hostile_pickles_would_do_harm_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Call(os.system, "touch hacked")))
    assert (tmp_path / "hacked").exists()


ARRAY = python2_array(ROWS)


@pytest.mark.parametrize("content, words", [
    (b"", "Ran out of input"),
    (b"<html>404 not found</html>", "not a file of this set"),
    (modern_batch(ROWS, [*range(6)])[:9000], "not a file of this set"),
    (pickle.dumps([1, 2]), "holds no data and labels"),
    (modern_batch(ROWS, [*range(6)], b"fine_labels"), "holds no data and labels"),
    (modern_batch(ROWS[:, :3071], [*range(6)]), "not an array of bytes with 3072 columns"),
    (modern_batch(ROWS.reshape(6, 3, 32, 32), [*range(6)]), "not an array of bytes with 3072 columns"),
    (modern_batch(ROWS.astype(np.float32), [*range(6)]), "an array of 'f4', and bytes"),
    (modern_batch(ROWS.astype(object), [*range(6)]), "an array of 'O8', and bytes"),
    (modern_batch(ROWS, [*range(5)]), "6 images, but its labels are not as many whole numbers"),
    (modern_batch(ROWS, [0.5] * 6), "labels are not as many whole numbers"),
    (modern_batch(ROWS, "abcdef"), "labels are not as many whole numbers"),
    (modern_batch(b"bytes", [*range(6)]), "not an array of bytes"),
    (b"\x80\x02}(U\x04data" + ARRAY.replace(b"M\x06\x00", b"M\x07\x00") + b"U\x06labels]u.", "its own shape"),
    (b"\x80\x02}(U\x04datacnumpy\nndarray\n)R5b.", "not a file of this set"),
    (b"\x80\x02}(U\x04datacnumpy\nndarray\n)RU\x06labels]u.", "not an array of bytes with 3072 columns"),
    (b"\x80\x04\x8c\x05a\n\x1b[m\x8c\x01b\x93.", r"asks for 'a.n.x1b\[m.b'"),      # a line break
    (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f" + b"x", "not a file of this set"),      # "2^63 bytes follow"
    (b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b".", "holds no data and labels"),    # tuples in tuples
])
def test_a_batch_that_is_not_right_is_a_sentence_with_its_name(tmp_path, content, words):
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read_cifar([path], b"labels")
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_a_file_far_too_large_is_not_read(tmp_path):
    with open(tmp_path / "batch", "wb") as file:
        file.truncate((1 << 28) + 1)                     # a hole: takes no room on the disk
    with pytest.raises(DataError, match="larger than 268,435,456 bytes"):
        read_cifar([tmp_path / "batch"], b"labels")
