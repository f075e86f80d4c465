import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from minidl.utils.data import DataError, DataLoader, ImageFolder
from minidl.utils.data.datasets import load
from minidl.utils.data.transforms import CenterCrop, Compose, RandomCrop, Resize, ToFloat

RED, GREY = (250, 10, 20), 128


@pytest.fixture
def pictures(tmp_path):
    for name, files in {"dog": ["b.png", "a.JPG"], "cat": ["2.png", "1.png"]}.items():
        (tmp_path / name).mkdir()
        for number, file in enumerate(files):
            colour = RED if name == "cat" else GREY
            picture = Image.new("RGB" if name == "cat" else "L", (12 + 4 * number, 9), colour)
            picture.save(tmp_path / name / file, "JPEG" if file.endswith("JPG") else "PNG")
        (tmp_path / name / "notes.txt").write_text("not a picture")
    return tmp_path


def test_folders_are_classes_and_files_are_samples_in_the_order_of_their_names(pictures):
    folder = ImageFolder(pictures)
    assert folder.classes == ["cat", "dog"] and len(folder) == 4
    assert [path.name for path, _ in folder.samples] == ["1.png", "2.png", "a.JPG", "b.png"]
    assert folder.labels.tolist() == [0, 0, 1, 1]
    image, label = folder[1]
    assert label == 0 and image.shape == (3, 9, 12) and image.dtype == np.float32
    np.testing.assert_allclose(image[:, 4, 4] * 255, RED, rtol=1e-6)
    np.testing.assert_allclose(folder[3][0][:, 4, 4] * 255, GREY, rtol=1e-6)      # three equal channels


def test_pictures_of_different_sizes_need_a_transform_that_makes_one(pictures):
    with pytest.raises(ValueError, match=r"sample 0 .* has shape \(3, 9, 16\), sample 1 has \(3, 9, 12\)"):
        list(DataLoader(ImageFolder(pictures), 4))
    crop = Compose([ToFloat(), Resize(8), CenterCrop(8)])
    [(images, labels)] = DataLoader(ImageFolder(pictures, crop), 4)
    assert images.shape == (4, 3, 8, 8) and labels.numpy().tolist() == [0, 0, 1, 1]


def test_augmentation_is_the_same_in_any_batch(pictures):
    noise = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    for path, _ in ImageFolder(pictures).samples:
        Image.fromarray(noise).save(path, "PNG")
    folder = ImageFolder(pictures, Compose([ToFloat(), RandomCrop(8)]))
    one_by_one = [images.numpy()[0] for images, _ in DataLoader(folder, 1, generator=3)]
    [(together, _)] = DataLoader(folder, 4, generator=3)
    np.testing.assert_array_equal(np.stack(one_by_one), together.numpy())
    assert len({image.tobytes() for image in one_by_one}) == 4, "each has a window of its own"


def test_load_takes_a_folder_with_train_and_val(pictures, tmp_path_factory):
    root = tmp_path_factory.mktemp("set")
    (root / "train").symlink_to(pictures)
    assert len(load(str(root), train=True)) == 4
    with pytest.raises(DataError, match="has no folder test or val"):
        load(str(root), train=False)
    (root / "val").symlink_to(pictures)
    assert len(load(str(root), train=False)) == 4


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such folder"):
        ImageFolder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no PNG or JPEG files in folders in it"):
        ImageFolder(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match="no PNG or JPEG files in cat; a folder of pictures for each class"):
        ImageFolder(tmp_path)


def bomb():
    """A PNG whose header promises 60,000 x 60,000 pixels."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">2I5B", 60_000, 60_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("spoil", [
    lambda content: b"", lambda content: content[:50], lambda content: b"<html>404</html>",
    lambda content: b"GIF89a" + content, lambda content: bomb(),
])
def test_a_picture_that_cannot_be_read_is_named(pictures, spoil):
    path = pictures / "cat" / "1.png"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(DataError, match="cat/1.png: cannot be read as a picture") as caught:
        ImageFolder(pictures)[0]
    assert "\n" not in str(caught.value)
