"""Updates of parameters in one pass over memory, by one launch each."""
import cupy

from minidl.kernels.gpu.launch import Kernels
from minidl.kernels.reference import update as reference

kernels = Kernels("update")


def sgd_step(w, g, v, lr, momentum, dampening, weight_decay, nesterov):
    if not in_one_pass(w, v):
        return reference.sgd_step(w, g, v, lr, momentum, dampening, weight_decay, nesterov)
    update("sgd_step", w, g, v, lr, momentum, 1 - dampening, weight_decay, nesterov)


def adam_step(w, g, m, v, largest, t, lr, beta1, beta2, eps, weight_decay, decoupled):
    if not in_one_pass(w, m, v, largest):
        return reference.adam_step(w, g, m, v, largest, t, lr, beta1, beta2, eps, weight_decay, decoupled)
    decay, shrink = (0, 1 - lr * weight_decay) if decoupled else (weight_decay, 1)
    update("adam_step", w, g, m, v, largest, lr / (1 - beta1 ** t), (1 - beta2 ** t) ** 0.5, beta1, 1 - beta1, beta2,
           1 - beta2, eps, decay, shrink)


def rmsprop_step(w, g, v, m, b, lr, alpha, eps, weight_decay, momentum):
    if not in_one_pass(w, v, m, b):
        return reference.rmsprop_step(w, g, v, m, b, lr, alpha, eps, weight_decay, momentum)
    update("rmsprop_step", w, g, v, m, b, lr, alpha, 1 - alpha, eps, weight_decay, momentum)


def rmsprop_tf_step(w, g, v, b, lr, alpha, eps, weight_decay, momentum):
    if not in_one_pass(w, v, b):
        return reference.rmsprop_tf_step(w, g, v, b, lr, alpha, eps, weight_decay, momentum)
    update("rmsprop_tf_step", w, g, v, b, lr, alpha, 1 - alpha, eps, weight_decay, momentum)


def adagrad_step(w, g, total, lr, eps, weight_decay):
    if not in_one_pass(w, total):
        return reference.adagrad_step(w, g, total, lr, eps, weight_decay)
    update("adagrad_step", w, g, total, lr, eps, weight_decay)


def running_average(average, new, momentum, factor):
    if isinstance(momentum, cupy.ndarray) or not in_one_pass(average):
        return reference.running_average(average, new, momentum, factor)
    update("running_average", average, new, 1 - momentum, momentum * factor)


def in_one_pass(*changed):
    """Do the kernels take what is changed in place? Otherwise CuPy goes through it once for each operation."""
    return all([x is None or x.flags.c_contiguous and x.dtype.char in "fd" for x in changed])


def update(kernel, w, g, *others):
    g = cupy.ascontiguousarray(g, w.dtype)
    kernels.each(kernel, w.size, w, g, *others, w.size)
