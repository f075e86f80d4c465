"""Cross-entropy with class weights, ignored labels and label smoothing, in PyTorch's formulas."""
import numpy as np

from minidl.kernels.reference.activation import log_softmax


def cross_entropy(x, labels, weight, ignore_index, label_smoothing):
    """x (N, C, D) scores, labels (N, D) integers -> loss (N, D), 0 where ignored, and log-probabilities (N, C, D).

    loss = -sum over c of t[c] log softmax(x)[c], with t = `targets`: (1 - s) weight[label] at the label, plus
    s / C weight[c] everywhere, for s = label_smoothing. Szegedy et al. 2015, arXiv 1512.00567, section 7.
    """
    logp = log_softmax(x, 1)
    t = targets(x, labels, weight, ignore_index, label_smoothing)
    return -np.multiply(t, logp, out=np.zeros_like(t), where=t != 0).sum(1), logp       # 0 log 0 is 0


def cross_entropy_gradient(g, logp, labels, weight, ignore_index, label_smoothing):
    """g (N, D), the gradient in each loss -> gx (N, C, D) = g (softmax(x) sum(t) - t)"""
    t = targets(logp, labels, weight, ignore_index, label_smoothing)
    return g[:, None] * (np.exp(logp) * t.sum(1, keepdims=True) - t)


def targets(x, labels, weight, ignore_index, label_smoothing):
    """t (N, C, D): what each class's log-probability is multiplied with; all 0 where the label is ignored."""
    C = x.shape[1]
    hit = (labels[:, None] == np.arange(C).reshape(1, C, 1)).astype(x.dtype)
    t = (1 - label_smoothing) * hit + label_smoothing / C
    if weight is not None:
        t = t * weight.reshape(1, C, 1).astype(x.dtype)
    return t * (labels != ignore_index)[:, None]
