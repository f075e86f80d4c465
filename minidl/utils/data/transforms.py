"""What happens to images between the file and the network: small classes, called as t(images, rng).

Images are float32 arrays (C, H, W), or (N, C, H, W) at once; ToFloat makes them from bytes. Nothing is
changed in place. `rng` gives the random numbers: a NumPy generator, or a loader's PerSample, which gives
every image its own. Outside a picture it is `fill`: 0 is black before Normalize and the mean colour after it.
"""

from dataclasses import dataclass, field

import numpy as np


class Transform:
    """A subclass has `apply(images, rng)` for images (N, C, H, W)."""
    random = False

    def __call__(self, images, rng=None):
        images = np.asarray(images)
        if images.ndim not in (3, 4):
            raise ValueError(f"{self}: got shape {images.shape}; (C, H, W) or (N, C, H, W) is wanted")
        if images.dtype.kind != "f" and not isinstance(self, ToFloat | Compose):
            raise ValueError(f"{self}: got images of {images.dtype}; put ToFloat() before it")
        if self.random and rng is None:
            raise ValueError(f"{self}: draws random numbers and was given no generator: t(image, rng)")
        return self.apply(images, rng) if images.ndim == 4 else self.apply(images[None], rng)[0]


@dataclass
class Compose(Transform):
    """One transform after the other."""
    transforms: list

    @property
    def random(self):
        return any(getattr(transform, "random", False) for transform in self.transforms)

    def apply(self, images, rng):
        for transform in self.transforms:
            images = transform(images, rng)
        return images


@dataclass
class ToFloat(Transform):
    """Bytes 0 to 255 -> float32 0 to 1. What is float already is not scaled."""

    def apply(self, images, rng):
        return images.astype(np.float32) / np.float32(1 if images.dtype.kind == "f" else 255)


@dataclass
class Normalize(Transform):
    """(image - mean) / std; `mean` and `std` are numbers, or one for each channel."""
    mean: float | tuple
    std: float | tuple

    def apply(self, images, rng):
        mean, std = (np.asarray(value, images.dtype).reshape(-1, 1, 1) for value in (self.mean, self.std))
        if {len(mean), len(std)} - {1, images.shape[1]}:
            raise ValueError(f"{self}: {len(mean)} means and {len(std)} deviations, but the image has "
                             f"{images.shape[1]} channels")
        return (images - mean) / std


@dataclass
class Pad(Transform):
    """More pixels on each side: a number, (left and right, top and bottom), or (left, top, right, bottom)."""
    padding: int | tuple
    fill: float = 0.0

    def apply(self, images, rng):
        padding = np.atleast_1d(self.padding).tolist()
        left, top, right, bottom = padding * (4 // len(padding))
        return np.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=self.fill)


@dataclass
class Resize(Transform):
    """To a `size` (height, width); a number is that of the shorter side, and the picture keeps its form.

    "bilinear" blends neighbours, over a wider triangle when it shrinks, as Pillow and torchvision do, so that
    no pixel is passed over. "nearest" repeats or skips pixels.
    """
    size: int | tuple
    mode: str = "bilinear"

    def __post_init__(self):
        if self.mode not in ("bilinear", "nearest"):
            raise ValueError(f"{self}: mode has to be 'bilinear' or 'nearest'")

    def apply(self, images, rng):
        H, W = images.shape[2:]
        if isinstance(self.size, int):
            h, w = (self.size, self.size * W // H) if H <= W else (self.size * H // W, self.size)
        else:
            h, w = self.size
        if self.mode == "nearest":
            return images[:, :, np.arange(h) * H // h][:, :, :, np.arange(w) * W // w]
        rows, columns = blending(H, h).astype(images.dtype), blending(W, w).astype(images.dtype)
        return rows @ images @ columns.T


def blending(size, new):
    """(new, size): row i holds the share that each old pixel has in new pixel i."""
    scale = size / new
    centre = (np.arange(new)[:, None] + 0.5) * scale - 0.5
    shares = np.maximum(0, 1 - abs(np.arange(size) - centre) / max(scale, 1.0))
    return shares / shares.sum(1, keepdims=True)


@dataclass
class CenterCrop(Transform):
    """The middle `size` (height, width), or a square."""
    size: int | tuple

    def apply(self, images, rng):
        h, w = crop_size(self, images)
        top, left = (images.shape[2] - h) // 2, (images.shape[3] - w) // 2
        return images[:, :, top:top + h, left:left + w]


@dataclass
class RandomCrop(Transform):
    """A window of `size` (height, width), or a square, anywhere in the image with `padding` around it.

    `Pad(4)` and a crop of the old size is the shift of He et al. 2015, section 4.2.
    """
    size: int | tuple
    padding: int | tuple = 0
    fill: float = 0.0
    random = True

    def apply(self, images, rng):
        images = Pad(self.padding, self.fill)(images)
        h, w = crop_size(self, images)
        N, C, H, W = images.shape
        top, left = rng.integers(0, H - h + 1, N), rng.integers(0, W - w + 1, N)
        windows = np.lib.stride_tricks.sliding_window_view(images, (h, w), (2, 3))   # (N, C, top, left, h, w)
        return windows[np.arange(N), :, top, left]


def crop_size(crop, images):
    h, w = (crop.size, crop.size) if isinstance(crop.size, int) else crop.size
    if h > images.shape[2] or w > images.shape[3]:
        raise ValueError(f"{crop}: the image is only {images.shape[2]} x {images.shape[3]}")
    return h, w


@dataclass
class RandomHorizontalFlip(Transform):
    """Mirrored left to right with probability `p`."""
    p: float = 0.5
    random = True

    def apply(self, images, rng):
        flipped = rng.random(len(images)) < self.p
        return np.where(flipped[:, None, None, None], images[..., ::-1], images)


@dataclass
class RandomAffine(Transform):
    """Turned about its centre, shifted and scaled, by bilinear interpolation.

    `degrees`: up to so many either way, or (low, high), counter-clockwise. `translate`: up to these fractions
    of width and height. `scale`: (low, high) factors.
    """
    degrees: float | tuple = 0.0
    translate: tuple = (0.0, 0.0)
    scale: tuple = (1.0, 1.0)
    fill: float = 0.0
    random = True

    def apply(self, images, rng):
        N, C, H, W = images.shape
        low, high = (-self.degrees, self.degrees) if np.isscalar(self.degrees) else self.degrees
        angle, scale = np.deg2rad(rng.uniform(low, high, N)), rng.uniform(*self.scale, N)
        shift = rng.uniform(-1, 1, (N, 2)) * np.array(self.translate) * (W, H)
        return affine(images, angle, scale, shift, self.fill)


@dataclass
class RandomRotation(RandomAffine):
    """Turned by up to `degrees` either way, or by (low, high), counter-clockwise."""
    translate: tuple = field(default=(0.0, 0.0), init=False, repr=False)
    scale: tuple = field(default=(1.0, 1.0), init=False, repr=False)


def affine(images, angle, scale, shift, fill=0.0):
    """Images (N, C, H, W), each turned by its angle (N,), scaled by scale (N,), moved by shift (N, 2).

    The colour of a new pixel is looked up where that pixel came from: the inverse map, about the centre.
    """
    N, C, H, W = images.shape
    kind = images.dtype
    angle, scale, right, down = (value.astype(kind).reshape(N, 1, 1) for value in (angle, scale, *shift.T))
    middle_y, middle_x = kind.type((H - 1) / 2), kind.type((W - 1) / 2)
    y = np.arange(H, dtype=kind)[:, None] - middle_y - down                                 # (N, H, 1)
    x = np.arange(W, dtype=kind) - middle_x - right                                         # (N, 1, W)
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    y, x = sin * x + cos * y + middle_y, cos * x - sin * y + middle_x                       # (N, H, W)
    y, x = np.clip(y, -1, H), np.clip(x, -1, W)            # further out it is the fill all the same
    top, left = np.floor(y), np.floor(x)
    b, a = (y - top)[:, None], (x - left)[:, None]         # (N, 1, H, W): how far below and to the right
    around = np.pad(images, ((0, 0), (0, 0), (1, 2), (1, 2)), constant_values=fill)
    plane = np.arange(N * C).reshape(N, C, 1, 1) * ((H + 3) * (W + 3))
    corner = ((top.astype(int) + 1) * (W + 3) + left.astype(int) + 1)[:, None] + plane       # (N, C, H, W)
    pixel = lambda dy, dx: around.ravel().take(corner + (dy * (W + 3) + dx))                 # (N, C, H, W)
    upper = (1 - a) * pixel(0, 0) + a * pixel(0, 1)
    lower = (1 - a) * pixel(1, 0) + a * pixel(1, 1)
    return (1 - b) * upper + b * lower


@dataclass
class PCAColorShift(Transform):
    """All pixels of an image shifted along the principal colours: Krizhevsky et al. 2012, section 4.1.

    Adds sum_i p_i a_i lambda_i, with p_i the eigenvectors (3, 3, in columns) of the covariance of the pixels'
    colours and a_i normal with deviation `std`, drawn once for an image. The paper calls lambda_i the
    eigenvalues; taken so, bytes would be shifted by hundreds. `from_images` takes their roots, the deviations
    along the p_i, which is the size of the numbers in use (55.5, 4.8, 1.1 for ImageNet's bytes).
    """
    values: tuple
    vectors: tuple = field(repr=False)
    std: float = 0.1
    random = True

    @classmethod
    def from_images(cls, images, std=0.1):
        """From the training images (N, 3, H, W), on the scale at which the shift will be added."""
        colours = np.moveaxis(np.asarray(images, np.float64), 1, 0).reshape(images.shape[1], -1)
        eigenvalues, vectors = np.linalg.eigh(np.cov(colours))
        return cls(np.sqrt(np.maximum(eigenvalues, 0)).tolist(), vectors.tolist(), std)

    def apply(self, images, rng):
        if images.shape[1] != len(self.values):
            raise ValueError(f"{self}: the image has {images.shape[1]} channels, not {len(self.values)}")
        a = self.std * rng.standard_normal((len(images), len(self.values)))
        shift = (a * np.array(self.values)) @ np.array(self.vectors).T
        return images + shift[:, :, None, None].astype(images.dtype)
