"""photo-digits from small stand-ins for MNIST and the photographs; test_datasets.py makes the real one."""
import hashlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from minidl.utils.data import DataError
from minidl.utils.data.datasets import DATASETS, describe, fetch, info, load
from minidl.utils.data.files import File
from minidl.utils.data.photo_digits import PHOTOGRAPHS, blend, idx_header, regions

COUNTS = {"train": 30, "t10k": 20}
# Noted when they were first made.
MD5S = {"train": "8048678477b349b3ba77ca3019631505", "t10k": "ef33269e13c2c0e9d4c6d32608122ebd"}


@pytest.fixture
def stand_ins(tmp_path, monkeypatch):
    """A cache with 30 and 20 digits and seven photographs, one of them grey, and what their blends are to be."""
    monkeypatch.setenv("MINIDL_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    (tmp_path / "photographs").mkdir()
    rng = np.random.RandomState(5)
    for part, n in COUNTS.items():
        labels = np.arange(n, dtype=np.uint8) % 10
        (tmp_path / "mnist" / f"{part}-images-idx3-ubyte").write_bytes(
            idx_header(n, 28, 28) + rng.randint(0, 256, (n, 28, 28)).astype(np.uint8).tobytes())
        (tmp_path / "mnist" / f"{part}-labels-idx1-ubyte").write_bytes(idx_header(n) + labels.tobytes())
    for number, file in enumerate(PHOTOGRAPHS):
        pixels = rng.randint(0, 256, (40, 160 + 4 * number, 3)).astype(np.uint8)
        Image.fromarray(pixels if number else pixels[..., 0]).save(tmp_path / "photographs" / file.name)
    expect(monkeypatch, MD5S)
    return tmp_path


def expect(monkeypatch, md5s):
    files = []
    for part, n in COUNTS.items():
        labels = idx_header(n) + bytes([i % 10 for i in range(n)])
        files += [File(f"{part}-images-idx4-ubyte", md5s[part], 20 + n * 3 * 32 * 32),
                  File(f"{part}-labels-idx1-ubyte", hashlib.md5(labels).hexdigest(), len(labels))]
    monkeypatch.setitem(DATASETS, "photo-digits", replace(info("photo-digits"), files=tuple(files)))


def test_a_pixel_is_the_distance_of_photograph_and_digit():
    """With one place to cut from, by the formula: |patch - digit|, and the patch alone around the digit."""
    rng = np.random.default_rng(0)
    digits = rng.integers(0, 256, (5, 1, 28, 28), dtype=np.uint8)
    photograph = rng.integers(0, 256, (3, 32, 32), dtype=np.uint8)
    images = blend(digits, [photograph], np.random.RandomState(0))
    assert images.shape == (5, 3, 32, 32) and images.dtype == np.uint8
    for image, digit in zip(images, digits):
        for row, column in np.ndindex(32, 32):
            ink = int(digit[0, row - 2, column - 2]) if 2 <= min(row, column) and max(row, column) < 30 else 0
            assert image[:, row, column].tolist() == [abs(int(x) - ink) for x in photograph[:, row, column]]


def test_patches_come_from_everywhere_in_all_photographs():
    """The first pixel says where a patch is from: one of 2 photographs, 4 rows and 3 columns."""
    digits = np.zeros((400, 1, 28, 28), np.uint8)
    photographs = [np.zeros((3, 35, 34), np.uint8) + 100 * number for number in (0, 1)]
    for photograph in photographs:
        photograph += np.arange(35, dtype=np.uint8)[:, None] * 3 % 12 + np.arange(34, dtype=np.uint8) % 3
    images = blend(digits, photographs, np.random.RandomState(0))
    assert set(images[:, 0, 0, 0].tolist()) == {*range(12), *range(100, 112)}


def test_training_and_test_patches_share_no_pixel():
    photographs = [np.arange(3 * 40 * width).reshape(3, 40, width) for width in (160, 177)]
    for photograph, left, right in zip(photographs, regions(photographs, True), regions(photographs, False)):
        assert not np.intersect1d(left, right).size and left.size + right.size == photograph.size
        assert min(left.shape[1:] + right.shape[1:]) >= 32


def test_the_same_bytes_are_made_everywhere(stand_ins):
    """Or the MD5s do not fit, as in the next test; those of the real files are in datasets.py."""
    fetch("photo-digits")
    train, test = load("photo-digits"), load("photo-digits", train=False)
    assert train.images.shape == (30, 3, 32, 32) and test.images.shape == (20, 3, 32, 32)
    assert train.labels.tolist() == [*range(10)] * 3 and test.classes == [*"0123456789"]
    row = next(row for row in describe() if row["name"] == "photo-digits")
    assert row["where"] == str(stand_ins / "photo-digits")


def test_other_parts_make_no_photo_digits(stand_ins, monkeypatch):
    expect(monkeypatch, dict.fromkeys(MD5S, "another"))
    with pytest.raises(DataError, match="one of these files is not the one that it should be .*its MD5 is") as caught:
        fetch("photo-digits")
    assert "\n" not in str(caught.value) and not [*(stand_ins / "photo-digits").iterdir()]
    assert next(row for row in describe() if row["name"] == "photo-digits")["where"] == "not made"


def test_a_part_that_is_cut_off_is_a_sentence(stand_ins):
    path = stand_ins / "mnist" / "train-images-idx3-ubyte"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(DataError, match="train-images-idx3-ubyte: its header says 23,520 bytes .* but it holds 23,420"):
        load("photo-digits")
    path.write_bytes(whole)
    picture = stand_ins / "photographs" / "coffee.png"
    picture.write_bytes(picture.read_bytes()[:1000])
    with pytest.raises(DataError, match="coffee.png: cannot be read as a picture"):
        load("photo-digits")


def test_what_is_there_is_not_made_again(stand_ins, monkeypatch):
    for file in info("photo-digits").files:
        (stand_ins / "photo-digits").mkdir(exist_ok=True)
        (stand_ins / "photo-digits" / file.name).touch()
    monkeypatch.setattr("minidl.utils.data.photo_digits.blend", None)
    assert fetch("photo-digits") == stand_ins / "photo-digits"
