"""Updates of parameters in one pass over memory: of w, g and what is remembered, each number is read and written once."""
import numpy as np

from minidl.kernels.cpu.jit import jit, portion
from minidl.kernels.cpu.threads import thread_count
from minidl.kernels.reference import update as reference

FEW = 2 ** 10                # numbers that NumPy has updated before a kernel of ours is called


def sgd_step(w, g, v, lr, momentum, dampening, weight_decay, nesterov):
    if not in_one_pass(w, g, v):
        return reference.sgd_step(w, g, v, lr, momentum, dampening, weight_decay, nesterov)
    settings = numbers(w, lr, momentum, 1 - dampening, weight_decay)
    _sgd_step(flat(w), flat(g), flat(v), *settings, bool(nesterov), thread_count())


@jit(each="threads")
def _sgd_step(t, w, g, v, lr, momentum, undamped, weight_decay, nesterov, threads):
    first, end = portion(len(w), t, threads)
    for i in range(np.uint64(first), np.uint64(end)):    # never below 0, so a vector's worth at a time
        d = g[i] + weight_decay * w[i]
        if v is not None:
            v[i] = momentum * v[i] + undamped * d
            d = d + momentum * v[i] if nesterov else v[i]
        w[i] -= lr * d


def adam_step(w, g, m, v, largest, t, lr, beta1, beta2, eps, weight_decay, decoupled):
    if not in_one_pass(w, g, m, v, largest):
        return reference.adam_step(w, g, m, v, largest, t, lr, beta1, beta2, eps, weight_decay, decoupled)
    decay, shrink = (0, 1 - lr * weight_decay) if decoupled else (weight_decay, 1)
    settings = numbers(w, lr / (1 - beta1 ** t), (1 - beta2 ** t) ** 0.5, beta1, 1 - beta1, beta2, 1 - beta2, eps,
                       decay, shrink)
    _adam_step(flat(w), flat(g), flat(m), flat(v), flat(largest), *settings, thread_count())


@jit(each="threads")
def _adam_step(t, w, g, m, v, largest, rate, root, beta1, share1, beta2, share2, eps, decay, shrink, threads):
    first, end = portion(len(w), t, threads)
    for i in range(np.uint64(first), np.uint64(end)):
        d = g[i] + decay * w[i]
        m[i] = beta1 * m[i] + share1 * d
        v[i] = beta2 * v[i] + share2 * d * d
        size = v[i]
        if largest is not None:
            largest[i] = size = np.maximum(largest[i], size)
        w[i] = shrink * w[i] - rate * m[i] / (np.sqrt(size) / root + eps)


def rmsprop_step(w, g, v, m, b, lr, alpha, eps, weight_decay, momentum):
    if not in_one_pass(w, g, v, m, b):
        return reference.rmsprop_step(w, g, v, m, b, lr, alpha, eps, weight_decay, momentum)
    settings = numbers(w, lr, alpha, 1 - alpha, eps, weight_decay, momentum)
    _rmsprop_step(flat(w), flat(g), flat(v), flat(m), flat(b), *settings, thread_count())


@jit(each="threads")
def _rmsprop_step(t, w, g, v, m, b, lr, alpha, rest, eps, weight_decay, momentum, threads):
    first, end = portion(len(w), t, threads)
    for i in range(np.uint64(first), np.uint64(end)):
        d = g[i] + weight_decay * w[i]
        v[i] = alpha * v[i] + rest * d * d
        size = v[i]
        if m is not None:
            m[i] = alpha * m[i] + rest * d
            size -= m[i] * m[i]
            size = 0 * size if size < 0 else size        # rounding can leave it below 0
        d = d / (np.sqrt(size) + eps)
        if b is not None:
            b[i] = momentum * b[i] + d
            d = b[i]
        w[i] -= lr * d


def rmsprop_tf_step(w, g, v, b, lr, alpha, eps, weight_decay, momentum):
    if not in_one_pass(w, g, v, b):
        return reference.rmsprop_tf_step(w, g, v, b, lr, alpha, eps, weight_decay, momentum)
    settings = numbers(w, lr, alpha, 1 - alpha, eps, weight_decay, momentum)
    _rmsprop_tf_step(flat(w), flat(g), flat(v), flat(b), *settings, thread_count())


@jit(each="threads")
def _rmsprop_tf_step(t, w, g, v, b, lr, alpha, rest, eps, weight_decay, momentum, threads):
    first, end = portion(len(w), t, threads)
    for i in range(np.uint64(first), np.uint64(end)):
        d = g[i] + weight_decay * w[i]
        v[i] = alpha * v[i] + rest * d * d
        b[i] = momentum * b[i] + lr * d / np.sqrt(v[i] + eps)
        w[i] -= b[i]


def adagrad_step(w, g, total, lr, eps, weight_decay):
    if not in_one_pass(w, g, total):
        return reference.adagrad_step(w, g, total, lr, eps, weight_decay)
    _adagrad_step(flat(w), flat(g), flat(total), *numbers(w, lr, eps, weight_decay), thread_count())


@jit(each="threads")
def _adagrad_step(t, w, g, total, lr, eps, weight_decay, threads):
    first, end = portion(len(w), t, threads)
    for i in range(np.uint64(first), np.uint64(end)):
        d = g[i] + weight_decay * w[i]
        total[i] += d * d
        w[i] -= lr * d / (np.sqrt(total[i]) + eps)


def in_one_pass(w, *others):
    """Are they more than a few, and those of all, where they are not None, of one kind and in one order?"""
    if w.size < FEW:
        return False
    for x in (w, *others):
        if x is not None and not (x.flags.c_contiguous and x.dtype == w.dtype and x.dtype.kind == "f"):
            return False
    return True


def flat(x):
    return None if x is None else x.reshape(-1)


def numbers(w, *settings):
    return [w.dtype.type(x) for x in settings]
