"""Updates of parameters, and of running averages: each changes w, and what it remembers of earlier gradients, in place.

w, g and whatever is remembered have one shape; what an update need not remember is None. The settings are numbers,
and the classes in minidl.optim say which papers they are from.
"""
import numpy as np


def sgd_step(w, g, v, lr, momentum, dampening, weight_decay, nesterov):
    """v <- momentum v + (1 - dampening) g,  w <- w - lr v; along g + momentum v for nesterov, along g without v."""
    if weight_decay:
        g = g + weight_decay * w
    if v is not None:
        v *= momentum
        v += (1 - dampening) * g
        g = g + momentum * v if nesterov else v
    w -= lr * g


def adam_step(w, g, m, v, largest, t, lr, beta1, beta2, eps, weight_decay, decoupled):
    """m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2,  w <- w - lr m' / (sqrt(v') + eps), at step t.

    m' = m / (1 - beta1^t), and v' = v / (1 - beta2^t), or of `largest`, the largest v so far, where that is given.
    The decay of weights is part of g; decoupled, w shrinks by lr weight_decay.
    """
    if decoupled:
        w *= 1 - lr * weight_decay
    elif weight_decay:
        g = g + weight_decay * w
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * g * g
    if largest is not None:
        v = np.maximum(largest, v, out=largest)
    denominator = np.sqrt(v) / (1 - beta2 ** t) ** 0.5 + eps
    w -= lr / (1 - beta1 ** t) * m / denominator


def rmsprop_step(w, g, v, m, b, lr, alpha, eps, weight_decay, momentum):
    """v <- alpha v + (1 - alpha) g^2,  w <- w - lr g / (sqrt(v) + eps).

    With m, a running mean of g as v is of g^2, sqrt(v - m^2) instead. With b, the quotients q accumulate,
    b <- momentum b + q, and the step is lr b.
    """
    if weight_decay:
        g = g + weight_decay * w
    v *= alpha
    v += (1 - alpha) * g * g
    if m is not None:
        m *= alpha
        m += (1 - alpha) * g
        v = np.maximum(v - m * m, 0)                     # rounding can leave it below 0
    g = g / (np.sqrt(v) + eps)
    if b is not None:
        b *= momentum
        b += g
        g = b
    w -= lr * g


def rmsprop_tf_step(w, g, v, b, lr, alpha, eps, weight_decay, momentum):
    """v <- alpha v + (1 - alpha) g^2,  b <- momentum b + lr g / sqrt(v + eps),  w <- w - b."""
    if weight_decay:
        g = g + weight_decay * w
    v *= alpha
    v += (1 - alpha) * g * g
    b *= momentum
    b += lr * g / np.sqrt(v + eps)
    w -= b


def adagrad_step(w, g, total, lr, eps, weight_decay):
    """total <- total + g^2,  w <- w - lr g / (sqrt(total) + eps)"""
    if weight_decay:
        g = g + weight_decay * w
    total += g * g
    w -= lr * g / (np.sqrt(total) + eps)


def running_average(average, new, momentum, factor):
    """average <- (1 - momentum) average + momentum factor new"""
    average *= 1 - momentum
    average += momentum * factor * new
