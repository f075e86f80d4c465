"""Activations that gain by a kernel of their own; the others are elementary ops."""
import numpy as np


def relu(x):
    """max(x, 0); NaN stays NaN. Nair & Hinton 2010."""
    return np.maximum(x, 0)


def relu_gradient(gy, y):
    """gy where y > 0, else 0: the derivative at 0 is taken to be 0."""
    return np.where(y > 0, gy, 0)


def softmax(x, axis):
    """e^x / (sum of e^x along `axis`); subtracting the largest x changes nothing, and nothing overflows."""
    e = np.exp(x - x.max(axis, keepdims=True, initial=-np.inf))
    return e / e.sum(axis, keepdims=True)


def softmax_gradient(gy, y, axis):
    """y (gy - sum(gy y))"""
    return y * (gy - (gy * y).sum(axis, keepdims=True))


def log_softmax(x, axis):
    """log softmax(x), without passing through numbers too small to have a logarithm."""
    x = x - x.max(axis, keepdims=True, initial=-np.inf)
    with np.errstate(divide="ignore"):                   # the sum is 0 where there is no x at all
        return x - np.log(np.exp(x).sum(axis, keepdims=True))


def log_softmax_gradient(gy, y, axis):
    """gy - softmax(x) sum(gy), where softmax(x) = e^y"""
    return gy - np.exp(y) * gy.sum(axis, keepdims=True)
