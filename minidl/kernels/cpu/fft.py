"""Convolution by the Fourier transform: products of spectra, for filters that are nearly as large as the image.

Mathieu, Henaff & LeCun 2013, "Fast training of convolutional networks through FFTs", arXiv 1312.5851, section 2. In
the spectrum, a sum over all shifts is one product per frequency, however large the filter is; with the sum over
channels it is one matrix product per frequency. X, W and Y are the spectra of x, w and y, H turns a matrix and
conjugates it:

    y[o]  = sum of w[i] x[o + i]        Y (N, F)  = X (N, C) W^H           correlation
    gx[p] = sum of w[i] gy[p - i]       GX (N, C) = GY (N, F) W (F, C)     convolution
    gw[i] = sum of gy[o] x[o + i]       GW (F, C) = GY^H X                 correlation

A transform is periodic: what runs over the end comes back at the beginning. It is taken as long as the padded image,
so that nothing which is wanted does. With stride or dilation, the numbers stand that far apart, among zeros.
"""
import numpy as np

from minidl.kernels.cpu.threads import thread_count
from minidl.kernels.reference.convolution import out_size


def suits(x_shape, w_shape, stride, padding, dilation, groups, dtype):
    """Any convolution of anything."""
    return 0 not in x_shape and 0 not in w_shape


def conv2d(x, w, b, stride, padding, dilation, groups):
    out = [out_size(*axis) for axis in zip(x.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)]
    size = transform_size(x.shape, padding)
    X, W = spectrum(x, size, groups, at=padding), spectrum(w, size, groups, step=dilation, filters=True)
    y = numbers(X @ conjugate(W), size, out, step=stride).reshape(len(x), len(w), *out).astype(x.dtype, copy=False)
    return y if b is None else y + b.reshape(-1, 1, 1)


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    size = transform_size(shape, padding)
    GY, W = spectrum(gy, size, groups, step=stride), spectrum(w, size, groups, step=dilation, filters=True)
    return numbers(GY @ W, size, shape[2:], at=padding).reshape(shape).astype(gy.dtype, copy=False)


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    kernel, size = size, transform_size(x.shape, padding)
    GY, X = spectrum(gy, size, groups, step=stride), spectrum(x, size, groups, at=padding)
    gw = numbers(conjugate(GY) @ X, size, kernel, step=dilation, filters=True)
    return gw.reshape(gy.shape[1], x.shape[1] // groups, *kernel).astype(x.dtype, copy=False)


def transform_size(shape, padding):
    """At least the padded image; a little more where that is a product of small primes, which is faster."""
    from scipy.fft import next_fast_len
    return [next_fast_len(n + 2 * p, real=True) for n, p in zip(shape[2:], padding)]


def spectrum(x, size, groups, at=(0, 0), step=(1, 1), filters=False):
    """The spectrum of the numbers of x, the first at `at` and `step` apart, as matrices: (frequencies, G, N, C/G).

    Of filters (F, C/G, KH, KW) it is (frequencies, G, F/G, C/G).
    """
    from scipy.fft import rfft2
    grid = np.zeros((*x.shape[:2], *size), x.dtype)
    grid[:, :, *places(x.shape[2:], at, step)] = x
    X = rfft2(grid, workers=thread_count())
    if filters:
        X = X.reshape(groups, len(x) // groups, x.shape[1], -1).transpose(3, 0, 1, 2)
    else:
        X = X.reshape(len(x), groups, x.shape[1] // groups, -1).transpose(3, 1, 0, 2)
    return np.ascontiguousarray(X)                       # as BLAS wants its matrices


def numbers(X, size, shape, at=(0, 0), step=(1, 1), filters=False):
    """The inverse of `spectrum`: (N, G, C/G, *shape), or of filters (G, F/G, C/G, *shape)."""
    from scipy.fft import irfft2
    X = X.transpose(1, 2, 3, 0) if filters else X.transpose(2, 1, 3, 0)
    x = irfft2(X.reshape(*X.shape[:3], size[0], size[1] // 2 + 1), size, workers=thread_count())
    return np.ascontiguousarray(x[:, :, :, *places(shape, at, step)])


def places(shape, at, step):
    return [slice(start, start + s * (n - 1) + 1, s) for n, start, s in zip(shape, at, step)]


def conjugate(X):
    """X^H"""
    return X.conj().swapaxes(-1, -2)
