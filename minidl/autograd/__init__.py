"""Gradients on request, in PyTorch's words: `grad`, `backward`, the products of `functional`, anomaly mode."""
from minidl.anomaly import AnomalyError
from minidl.autograd import functional
from minidl.graph import backward, grad
from minidl.mode import enable_grad, mode as _mode, no_grad, set_grad_enabled, switch as _switch


def detect_anomaly():
    """In this block, the op or gradient rule in which the first NaN or Inf is born stops with an AnomalyError.

    It names the op, its module, the line that called it, and what it was made from. Every number is looked at,
    so that everything takes longer. Forward and backward belong in one block.
    """
    return _mode(anomaly=True)


def set_detect_anomaly(mode):
    """Anomaly mode from here on, or no longer; as a with-block, until its end."""
    return _switch(anomaly=bool(mode))
