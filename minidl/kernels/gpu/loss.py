"""Cross-entropy with class weights, ignored labels and label smoothing, in PyTorch's formulas.

A label that is neither a class nor to be ignored counts as in the reference: as a class that is not there.
"""
import cupy
import numpy as np

from minidl.kernels.gpu.launch import Kernels, takes_float16, threads_of_row

kernels = Kernels("loss")


@takes_float16
def cross_entropy(x, labels, weight, ignore_index, label_smoothing):
    N, C, D = x.shape
    loss, logp = cupy.empty((N, D), x.dtype), cupy.empty(x.shape, x.dtype)
    launch("cross_entropy", (cupy.ascontiguousarray(x),), labels, weight, (loss, logp), ignore_index, label_smoothing)
    return loss, logp


@takes_float16
def cross_entropy_gradient(g, logp, labels, weight, ignore_index, label_smoothing):
    gx = cupy.empty(logp.shape, logp.dtype)
    launch("cross_entropy_gradient", (cupy.ascontiguousarray(g), cupy.ascontiguousarray(logp)), labels, weight, (gx,),
           ignore_index, label_smoothing)
    return gx


def launch(name, inputs, labels, weight, outputs, ignore_index, label_smoothing):
    """Run the kernel by blocks if each image has one label, by single threads if it has D of them."""
    x = inputs[-1]
    N, C, D = x.shape
    labels = cupy.ascontiguousarray(labels.astype(np.int64, copy=False))
    weight = None if weight is None else cupy.ascontiguousarray(weight.astype(x.dtype, copy=False))
    arrays = *inputs, labels, weight, *outputs
    rest = ignore_index, 1 - label_smoothing, label_smoothing / C
    if D == 1:
        kernels.blocks(f"{name}_rows", N, threads_of_row(C), *arrays, C, *rest)
    else:
        kernels.each(f"{name}_columns", N * D, *arrays, C, D, N * D, *rest)
