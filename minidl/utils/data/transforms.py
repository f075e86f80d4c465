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
    """More pixels on each side: a number, (left and right, top and bottom), or (left, top, right, bottom).

    padding_mode : "constant", of the colour `fill`, or "reflect", the image mirrored at its outermost pixels
    """
    padding: int | tuple
    fill: float = 0.0
    padding_mode: str = "constant"

    def apply(self, images, rng):
        padding = np.atleast_1d(self.padding).tolist()
        left, top, right, bottom = padding * (4 // len(padding))
        sides = (0, 0), (0, 0), (top, bottom), (left, right)
        if self.padding_mode == "reflect":
            return np.pad(images, sides, mode="reflect")
        if self.padding_mode == "constant":
            return np.pad(images, sides, constant_values=self.fill)
        raise ValueError(f"{self}: padding_mode has to be 'constant' or 'reflect'")


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
        return blended(images, blending(H, h), blending(W, w))


def blending(size, new, start=0.0, length=None):
    """(.., new, size): row i holds the share that each of `size` old pixels has in new pixel i.

    The new pixels are `length` old ones wide, all together, from `start` on: numbers, or arrays (N, 1, 1).
    """
    scale = (size if length is None else length) / new
    centre = start + (np.arange(new)[:, None] + 0.5) * scale - 0.5
    shares = np.maximum(0, 1 - abs(np.arange(size) - centre) / np.maximum(scale, 1.0))
    return shares / shares.sum(-1, keepdims=True)


def blended(images, rows, columns):
    """Images (N, C, H, W) by shares (.., h, H) and (.., w, W), with one pair for all or for each: (N, C, h, w)."""
    rows, columns = (shares.astype(images.dtype).reshape(-1, 1, *shares.shape[-2:]) for shares in (rows, columns))
    return rows @ images @ columns.swapaxes(2, 3)


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

    `Pad(4)` and a crop of the old size is the shift of He et al. 2015, section 4.2. `padding_mode` as of Pad.
    """
    size: int | tuple
    padding: int | tuple = 0
    fill: float = 0.0
    padding_mode: str = "constant"
    random = True

    def apply(self, images, rng):
        images = Pad(self.padding, self.fill, self.padding_mode)(images)
        h, w = crop_size(self, images)
        N, C, H, W = images.shape
        top, left = rng.integers(0, H - h + 1, N), rng.integers(0, W - w + 1, N)
        windows = np.lib.stride_tricks.sliding_window_view(images, (h, w), (2, 3))   # (N, C, top, left, h, w)
        return windows[np.arange(N), :, top, left]


@dataclass
class RandomScaledCrop(Transform):
    """A window of `size` (height, width), or a square, anywhere in the image made smaller or larger at random.

    shorter : (low, high), how long the shorter side of the whole image is then, both of them included

    Simonyan & Zisserman 2014, section 3.1; He et al. 2015, section 3.4.
    """
    size: int | tuple
    shorter: tuple
    random = True

    def apply(self, images, rng):
        (h, w), (low, high) = pair(self.size), self.shorter
        if low < max(h, w):
            raise ValueError(f"{self}: a window of {h} x {w} has no place in an image whose shorter side is {low}")
        N, C, H, W = images.shape
        side = rng.integers(low, high + 1, N)
        height, width = side * H // min(H, W), side * W // min(H, W)            # of the resized image, (N,)
        top, left = rng.integers(0, height - h + 1, N), rng.integers(0, width - w + 1, N)
        y, x = (H / height).reshape(N, 1, 1), (W / width).reshape(N, 1, 1)      # old pixels in a new one
        return blended(images, blending(H, h, top.reshape(N, 1, 1) * y, h * y),
                       blending(W, w, left.reshape(N, 1, 1) * x, w * x))


@dataclass
class RandomResizedCrop(Transform):
    """A window of the image, of any size and form, resized to `size` (height, width), or to a square.

    scale : (low, high), the window's share of the image's area, each as likely
    ratio : (low, high) of its width to its height, each as likely on a logarithmic scale

    Ten windows are drawn, and the first that fits is taken. If there is none, it is the largest in the middle.
    Szegedy et al. 2014, arXiv 1409.4842, section 6.
    """
    size: int | tuple
    scale: tuple = (0.08, 1.0)
    ratio: tuple = (3 / 4, 4 / 3)
    random = True

    def apply(self, images, rng):
        N, C, H, W = images.shape
        area, ratio = H * W * rng.uniform(*self.scale, (N, 10)), np.exp(rng.uniform(*np.log(self.ratio), (N, 10)))
        h, w = np.rint(np.sqrt(area / ratio)), np.rint(np.sqrt(area * ratio))   # (N, 10)
        fits = (h > 0) & (h <= H) & (w > 0) & (w <= W)
        first, none = (np.arange(N), fits.argmax(1)), ~fits.any(1)
        middle = np.clip(W / H, *self.ratio)
        h = np.where(none, min(H, round(W / middle)), h[first]).astype(int)     # (N,)
        w = np.where(none, min(W, round(H * middle)), w[first]).astype(int)
        top = np.where(none, (H - h) // 2, rng.integers(0, H - h + 1, N))
        left = np.where(none, (W - w) // 2, rng.integers(0, W - w + 1, N))
        rows, columns = pair(self.size)
        return blended(images, blending_inside(H, rows, top, h), blending_inside(W, columns, left, w))


def blending_inside(size, new, start, length):
    """`blending`, for whole pixels start and length (N,), where those outside of them count for nothing."""
    start, length = start.reshape(-1, 1, 1), length.reshape(-1, 1, 1)
    inside = (np.arange(size) >= start) & (np.arange(size) < start + length)
    shares = blending(size, new, start, length) * inside
    return shares / shares.sum(-1, keepdims=True)


def pair(size):
    return (size, size) if isinstance(size, int) else size


def crop_size(crop, images):
    h, w = pair(crop.size)
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


GREY = np.array([0.299, 0.587, 0.114]).reshape(3, 1, 1)         # the share of red, green and blue: ITU-R BT.601


@dataclass
class ColorJitter(Transform):
    """Brightness, contrast and saturation multiplied by factors from 1 - x to 1 + x, in an order that is drawn, too.

    The image is blended with black, with its mean grey and with each pixel's grey: factor * image + (1 - factor) *
    other. Colours are 0 to 1, and what goes beyond is cut.
    """
    brightness: float
    contrast: float
    saturation: float
    random = True

    def apply(self, images, rng):
        N = len(images)
        check_colours(self, images, 3)
        most = np.array([self.brightness, self.contrast, self.saturation])
        factors = rng.uniform(np.maximum(0, 1 - most), 1 + most, (N, 3)).astype(images.dtype)
        order = np.argsort(rng.random((N, 3)), 1)
        for which in order.T:                                                   # (N,): one of the three for each image
            kind, factor = which.reshape(N, 1, 1, 1), factors[np.arange(N), which].reshape(N, 1, 1, 1)
            grey = (images * GREY.astype(images.dtype)).sum(1, keepdims=True)   # (N, 1, H, W)
            other = np.select([kind == 0, kind == 1], [0, grey.mean((2, 3), keepdims=True)], grey)
            images = np.clip(factor * images + (1 - factor) * other, 0, 1)
        return images


def check_colours(transform, images, channels):
    if images.shape[1] != channels:
        raise ValueError(f"{transform}: the image has {images.shape[1]} channels, not {channels}")


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
        check_colours(self, images, len(self.values))
        a = self.std * rng.standard_normal((len(images), len(self.values)))
        shift = (a * np.array(self.values)) @ np.array(self.vectors).T
        return images + shift[:, :, None, None].astype(images.dtype)
