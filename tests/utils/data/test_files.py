import gzip
import hashlib
import struct
import zlib

import numpy as np
import pytest

from minidl.utils.data import DataError
from minidl.utils.data import files as data_files
from minidl.utils.data.files import File, cache_dir, chunks_of, read_idx, replacing


def idx(array, magic=None):
    """An IDX file, written out from the description of the format."""
    magic = magic or bytes([0, 0, 8, array.ndim])
    return magic + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


ARRAY = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("array", [ARRAY, ARRAY[:, 0, 0], ARRAY[:0]])
def test_an_idx_file_is_read_raw_and_zipped(tmp_path, pack, array):
    (tmp_path / "file").write_bytes(pack(idx(array)))
    read = read_idx(tmp_path / "file", array.ndim)
    np.testing.assert_array_equal(read, array)
    assert read.dtype == np.uint8


HUGE = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1)


@pytest.mark.parametrize("content, words", [
    (b"", "begins with nothing, not 00000803: not an IDX file of images"),
    (b"<html>404", "begins with 3c68746d"),
    (idx(ARRAY[:, 0, 0]), "begins with 00000801"),
    (idx(ARRAY, bytes([0, 0, 13, 3])), "begins with 00000d03"),
    (idx(ARRAY)[:9], r"header says shape \(5,\)"),
    (HUGE, "which is no data set's"),
    (idx(ARRAY)[:-1], r"says 60 bytes for shape \(5, 4, 3\), but it holds 59"),
    (idx(ARRAY) + b"!", "says 60 bytes .* but it holds more"),
    (gzip.compress(idx(ARRAY), mtime=0)[:-12], "cannot be read"),
    (gzip.compress(idx(ARRAY), mtime=0)[:-8] + b"?" * 8, "cannot be read .*CRC"),
    (gzip.compress(idx(ARRAY) + bytes(1 << 20), mtime=0), "but it holds more"),
])
def test_an_idx_file_that_is_not_right_is_a_sentence_with_its_name(tmp_path, content, words):
    path = tmp_path / "some-images"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read_idx(path, 3)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_a_zip_bomb_is_read_no_further_than_its_header_says(tmp_path, monkeypatch):
    (tmp_path / "bomb").write_bytes(gzip.compress(idx(ARRAY) + bytes(1 << 26)))
    sizes, read = [], gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda file, size=-1: sizes.append(size) or read(file, size))
    with pytest.raises(DataError, match="holds more"):
        read_idx(tmp_path / "bomb", 3)
    assert sizes == [4, 12, 61]


CONTENT = bytes(range(256)) * 5000
FILE = File("numbers", hashlib.md5(CONTENT).hexdigest(), len(CONTENT))


def pieces(content, size=70_000):
    return [content[start:start + size] for start in range(0, len(content), size)]


@pytest.mark.parametrize("size", [1 << 20, 70_000, 1000])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda content: gzip.compress(content) + b"trailing"])
def test_a_right_file_is_saved_unzipped(tmp_path, pack, size):
    FILE.save(pieces(pack(CONTENT), size), tmp_path / "new")
    assert (tmp_path / "new" / "numbers").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["numbers"]


def test_a_file_that_is_to_be_a_gz_stays_one(tmp_path):
    content = gzip.compress(CONTENT, mtime=0)
    File("numbers.gz", hashlib.md5(content).hexdigest()).save([content], tmp_path)
    assert (tmp_path / "numbers.gz").read_bytes() == content


@pytest.mark.parametrize("content, words", [
    (CONTENT[:-1], "numbers: ended after 1,279,999 of 1,280,000 bytes"),
    (b"", "ended after 0 of"),
    (CONTENT + b"!", "longer than 1,280,000 bytes"),
    (b"!" + CONTENT[1:], f"MD5 is .*, and {FILE.md5} is wanted"),
    (gzip.compress(CONTENT, mtime=0)[:-9], "compressed data breaks off"),
    (gzip.compress(CONTENT, mtime=0)[:-8] + b"?" * 8, "compressed data is damaged"),
    (gzip.compress(bytes(1 << 26)), "longer than"),
])
def test_a_wrong_file_is_a_sentence_and_leaves_what_was_there(tmp_path, content, words):
    (tmp_path / "numbers").write_bytes(b"old")
    with pytest.raises(DataError, match=words):
        FILE.save(pieces(content), tmp_path)
    assert (tmp_path / "numbers").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["numbers"], "nothing half-written"


def test_a_bomb_is_unzipped_a_bounded_piece_at_a_time(tmp_path):
    """128 MiB of zeros are 128 KiB of gzip; no more than File's size and one piece may ever be unzipped."""
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join([packer.compress(bytes(1 << 24)) for _ in range(8)]) + packer.flush()
    unzipped = []

    def watched(chunks, name):
        for chunk in original(chunks, name):
            unzipped.append(len(chunk))
            yield chunk

    original, data_files.gunzipped = data_files.gunzipped, watched
    try:
        with pytest.raises(DataError, match="longer than"):
            FILE.save([bomb], tmp_path)
    finally:
        data_files.gunzipped = original
    assert max(unzipped) <= data_files.CHUNK and sum(unzipped) <= FILE.size + data_files.CHUNK


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    def full():
        yield CONTENT[:1000]
        raise OSError(28, "No space left on device")
    with pytest.raises(OSError, match="No space left"):
        FILE.save(full(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_by_hand_counts_whether_it_is_zipped_or_not(tmp_path):
    assert not FILE.is_in(tmp_path)
    (tmp_path / "numbers.gz").write_bytes(b"")
    assert FILE.is_in(tmp_path)


def test_replacing_swaps_the_whole_file_at_once(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as out:
        out.write(b"new")
        out.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and path.stat().st_mode & 0o777 == 0o644


def test_chunks_are_all_of_a_stream(tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    with open(tmp_path / "file", "rb") as stream:
        assert b"".join(chunks_of(stream)) == CONTENT


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("MINIDL_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert str(cache_dir()) == "/home/ada/.cache/minidl"
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    assert str(cache_dir()) == "/var/cache/minidl"
    monkeypatch.setenv("MINIDL_DATA", "~/data")
    assert str(cache_dir()) == "/home/ada/data"
