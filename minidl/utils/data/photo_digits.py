"""photo-digits: handwritten digits over pieces of photographs, in colour, made here of MNIST and seven pictures.

The recipe is that of MNIST-M: Y. Ganin, V. Lempitsky. Unsupervised domain adaptation by backpropagation. 2014,
arXiv 1409.7495. The photographs are in scikit-image's wheels: an astronaut, Eileen Collins (NASA, public domain);
bricks and gravel (cc0textures.com), a camera man (Lav Varshney), Chelsea the cat (Stefan van der Walt), coffee (Rachel
Michetti) and grass (linolafett), all CC0. They are PNG, which every program reads as the same numbers; JPEG is not.
"""
import numpy as np

from minidl.utils.data.dataset import DataError
from minidl.utils.data.fetch import PythonWheel, fetch_files
from minidl.utils.data.files import File, cache_dir
from minidl.utils.data.folder import read_picture

PHOTOGRAPHS = (
    File("astronaut.png", "97066e0a8baf4cd0be9859f9825aa3a2", 791_555),
    File("brick.png", "b4177b840b8d017fd04c0fe8c9dafc61", 106_634),
    File("camera.png", "f8b13d2cdd5ba56cf4ba2321bb7222f0", 139_512),
    File("chelsea.png", "0f1b4a59504988622035d850dc0555ac", 240_512),
    File("coffee.png", "f24210802e8d0690e0c1c2302f907cc4", 466_706),
    File("grass.png", "406db280a14db26d04b65c3c3d0c188f", 217_893),
    File("gravel.png", "1ae4f1e9e7988a5279ee2b3b0bd24e1f", 194_247),
)
SOURCES = (PythonWheel("scikit-image==0.25.2", "skimage/data"),)
SIZE, BLOCK = 32, 1000


def make_photo_digits(files, folder, digits):
    """Write `files`, which of the data set's are missing, into `folder`; the photographs are fetched first.

    `digits(train)` gives MNIST. DataError, and no file, if what comes of it is not what it always is.
    """
    source = cache_dir() / "photographs"
    fetch_files("photographs", PHOTOGRAPHS, SOURCES, source)
    photographs = [read_picture(source / file.name) for file in PHOTOGRAPHS]
    for file in files:
        train = file.name.startswith("train")
        mnist = digits(train)
        pieces = idx_of_labels(mnist.labels) if "labels" in file.name else idx_of_blends(
            mnist.images, regions(photographs, train), np.random.RandomState(0 if train else 1))
        try:
            file.save(pieces, folder)
        except DataError as error:
            raise DataError(f"photo-digits is made of MNIST and the photographs in {source}, and one of these files is "
                            f"not the one that it should be ({error})") from None


def regions(photographs, train):
    """Where patches are cut from: the left three quarters of each photograph (3, H, W), or, to test, the rest."""
    borders = [photograph.shape[2] * 3 // 4 for photograph in photographs]
    return [photograph[:, :, :border] if train else photograph[:, :, border:]
            for photograph, border in zip(photographs, borders)]


def blend(digits, photographs, rng):
    """|patch - digit|: the digit turns a patch of a photograph into its negative, whether that is dark or bright.

    digits      : bytes (N, 1, 28, 28), ink is 255 -> bytes (N, 3, 32, 32)
    photographs : bytes (3, H, W); for each digit, one of them and a place in it are drawn
    rng         : a RandomState, because NumPy promises that its numbers stay what they are
    """
    patches = np.empty((len(digits), 3, SIZE, SIZE), np.int16)
    for patch in patches:
        photograph = photographs[rng.randint(len(photographs))]
        top, left = (rng.randint(length - SIZE + 1) for length in photograph.shape[1:])
        patch[:] = photograph[:, top:top + SIZE, left:left + SIZE]
    margin = (SIZE - digits.shape[2]) // 2
    return abs(patches - np.pad(digits, ((0, 0), (0, 0), (margin, margin), (margin, margin)))).astype(np.uint8)


def idx_of_blends(digits, photographs, rng):
    """The bytes of an IDX file of blends, piece by piece."""
    yield idx_header(len(digits), 3, SIZE, SIZE)
    for start in range(0, len(digits), BLOCK):
        yield blend(digits[start:start + BLOCK], photographs, rng).tobytes()


def idx_of_labels(labels):
    yield idx_header(len(labels))
    yield labels.astype(np.uint8).tobytes()


def idx_header(*shape):
    return bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
