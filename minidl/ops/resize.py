"""Images of another size: interpolation, and channels that become pixels."""
from minidl.kernels import kernels_for
from minidl.ops.indexing import index_select
from minidl.ops.matrix import matmul
from minidl.ops.shape import permute, reshape, transpose
from minidl.tensor import of

__all__ = ["interpolate", "pixel_shuffle", "pixel_unshuffle"]


def interpolate(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """Resize input (N, C, L) or (N, C, H, W) to `size`, or by `scale_factor`.

    mode : nearest, nearest-exact, linear (N, C, L), bilinear (N, C, H, W). Pixel i of n lies at (i + 1/2) / n of
    the image; align_corners instead puts the corner pixels' centres on one another.
    """
    spatial = input.shape[2:]
    linear = {1: "linear", 2: "bilinear"}.get(len(spatial))
    if linear is None or mode not in ("nearest", "nearest-exact", linear):
        raise ValueError(f"interpolate: mode {mode!r} for shape {tuple(input.shape)}; there are nearest and nearest-exact, "
                         "linear for (N, C, L) and bilinear for (N, C, H, W)")
    if align_corners is not None and mode != linear:
        raise ValueError(f"interpolate: align_corners has no meaning for mode {mode!r}")
    if (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate: give size or scale_factor, one of them; came {size} and {scale_factor}")
    if size is not None:
        out = [size] * len(spatial) if isinstance(size, int) else list(size)
        scales = [n / m for n, m in zip(spatial, out, strict=True)]
    else:
        factors = [scale_factor] * len(spatial) if isinstance(scale_factor, (int, float)) else scale_factor
        out = [int(n * f) for n, f in zip(spatial, factors, strict=True)]
        scales = [1 / f for f in factors]
    if min(out) < 1 or min(spatial) < 1:
        raise ValueError(f"interpolate: from shape {tuple(input.shape)} to {tuple(out)}")
    resize = nearest if mode != linear else mixed
    for dim, (m, scale) in enumerate(zip(out, scales), start=2):
        input = resize(input, dim, m, scale, mode == "nearest-exact" if resize is nearest else bool(align_corners))
    return input


def nearest(x, dim, out, scale, exact):
    """Copies of the nearest slices along `dim`."""
    return index_select(x, dim, kernels_for(x.array).nearest_index(x.shape[dim], out, scale, exact))


def mixed(x, dim, out, scale, align_corners):
    """Every slice along `dim` a mixture of two: a product with a matrix (out, size)."""
    A = of(kernels_for(x.array).linear_weights(x.shape[dim], out, scale, align_corners, x.dtype))
    return matmul(x, transpose(A, 0, 1)) if dim == x.ndim - 1 else matmul(A, x)


def pixel_shuffle(input, upscale_factor):
    """(N, C r r, H, W) -> (N, C, H r, W r): groups of r r channels become r x r pixels. arXiv 1609.05158."""
    r, (*lead, C, H, W) = upscale_factor, input.shape
    if C % (r * r):
        raise ValueError(f"pixel_shuffle: {C} channels in shape {tuple(input.shape)} are no multiple of {r} * {r}")
    n = len(lead)
    x = reshape(input, (*lead, C // (r * r), r, r, H, W))
    x = permute(x, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return reshape(x, (*lead, C // (r * r), H * r, W * r))


def pixel_unshuffle(input, downscale_factor):
    """pixel_shuffle undone: (N, C, H r, W r) -> (N, C r r, H, W)."""
    r, (*lead, C, H, W) = downscale_factor, input.shape
    if H % r or W % r:
        raise ValueError(f"pixel_unshuffle: {H} x {W} pixels in shape {tuple(input.shape)} are no multiples of {r}")
    n = len(lead)
    x = reshape(input, (*lead, C, H // r, r, W // r, r))
    x = permute(x, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return reshape(x, (*lead, C * r * r, H // r, W // r))
