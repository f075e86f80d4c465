"""df/dx along a line through the inputs: smooth, or white noise?"""
from typing import NamedTuple

import numpy as np

import minidl
from minidl.lab.linearized import Linearized


class Line(NamedTuple):
    """f on the points a + t (b - a).

    t, f, slope : (points,) each; slope = df/dt
    acf         : (lags + 1,), the autocorrelation of the slope: sum of d_i d_{i+k} / sum of d_i^2, d being the slope less
                  its mean. 1 at lag 0; about 0 +- 1/sqrt(points) elsewhere for white noise
    """
    t: np.ndarray
    f: np.ndarray
    slope: np.ndarray
    acf: np.ndarray


def gradient_line(model, a, b, points=256, lags=15, *, seed=0, dtype=None):
    """f and its slope on the line from input a to input b (without the batch's dimension), and how the slope's values at
    neighbouring points are related. f is a random combination, N(0, 1), of the model's outputs.

    Balduzzi et al. 2017, arXiv 1702.08591, section 2 and figures 1 and 2: with 256 points from -2 to 2 the slope of a plain
    ReLU network becomes white noise with depth, that of a residual one resembles brown noise. The points are one batch; with
    batch norm in training mode they have its statistics in common, as in the paper. Costs a forward and a backward pass of
    a batch of `points`.
    """
    if points < lags + 2:
        raise ValueError(f"gradient_line: {points} points have no autocorrelation at lag {lags}; it takes {lags + 2}")
    a, b = (np.asarray(minidl.as_tensor(end).detach().cpu().array, np.float64) for end in (a, b))
    t = np.linspace(0, 1, points)
    J = Linearized(model, a + t.reshape(-1, *[1] * a.ndim) * (b - a), dtype)
    weights = np.random.default_rng(seed).standard_normal(J.y.shape[1:])
    f = (J.y.detach().cpu().array * weights).reshape(points, -1).sum(1)
    slope = (J.vjp(np.broadcast_to(weights, J.y.shape)) * (b - a)).reshape(points, -1).sum(1)
    return Line(t, f, slope, autocorrelation(slope, lags))


def autocorrelation(x, lags):
    """Of a series x (n,) with itself, shifted by 0 to `lags`."""
    d = np.asarray(x, np.float64) - np.mean(x, dtype=np.float64)
    return np.array([d[:len(d) - k] @ d[k:] for k in range(lags + 1)]) / (d @ d)
