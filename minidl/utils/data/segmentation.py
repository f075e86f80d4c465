"""pixel_weights: which pixels of a mask the loss is to count most."""
import numpy as np

from minidl.utils.data.dataset import DataError


def pixel_weights(cells, w0=10.0, sigma=5.0):
    """How much each pixel counts in the loss of U-Net, most where cells nearly touch: float32, of the shape of `cells`.

        w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2))

    Ronneberger, Fischer & Brox 2015, arXiv 1505.04597, equation 2. d1 and d2 are the distances to the borders of the
    two nearest cells, each of them measured to the nearest pixel on the other side of the border. w_c balances the
    classes, the paper does not say how: here cells and background count the same in all, and a pixel 1 on average.

    cells : integers (H, W): 0 is background, and each other number is one cell
    """
    from scipy.ndimage import distance_transform_edt as distance  # here, so that `import minidl` need not wait
    cells = np.asarray(cells)
    if cells.ndim != 2 or cells.dtype.kind not in "iu":
        raise DataError("pixel_weights: cells are integers in shape (H, W), 0 for background and a number for each cell, "
                        f"not {cells.dtype} in shape {cells.shape}")
    is_cell = cells != 0
    share = is_cell.mean()
    weights = np.where(is_cell, 0.5 / share, 0.5 / (1 - share)) if 0 < share < 1 else np.ones(cells.shape)
    numbers = np.unique(cells[is_cell])
    if len(numbers) > 1:
        d1 = d2 = np.full(cells.shape, np.inf)
        for number in numbers:
            d = distance(cells == number) + distance(cells != number)    # one of them is 0
            d1, d2 = np.minimum(d1, d), np.minimum(d2, np.maximum(d1, d))
        weights += w0 * np.exp(-(d1 + d2) ** 2 / (2 * sigma ** 2))
    return weights.astype(np.float32)
