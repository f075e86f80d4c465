"""Helpers for all of a model's parameters at once: clipping gradients, and one long vector of everything."""
import math

import minidl
from minidl.mode import no_grad
from minidl.tensor import Tensor


@no_grad()
def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False):
    """Scale all gradients together so that their norm, taken as one vector, is at most max_norm.

    Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks",
    arXiv 1211.5063, section 3.2. Returns the norm before clipping, a tensor. A norm that is NaN or
    infinite makes every gradient so; error_if_nonfinite raises instead, for which a GPU has to be waited for.
    """
    grads = gradients(parameters)
    if not grads:
        return minidl.tensor(0.0)
    total = minidl.ops.stack([g.norm(norm_type) for g in grads]).norm(norm_type)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {total.item()}; they cannot be clipped")
    scale = (max_norm / (total + 1e-6)).clamp(max=1.0)   # as in PyTorch, with its guard against 0
    if total.device == "cuda" or not scale.item() == 1:  # a GPU would have to be waited for; and NaN is not 1
        for g in grads:
            g.mul_(scale)
    return total


@no_grad()
def clip_grad_value_(parameters, clip_value):
    """Every number of every gradient between -clip_value and clip_value."""
    for g in gradients(parameters):
        g.clamp_(-clip_value, clip_value)


def gradients(parameters):
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in parameters if p.grad is not None]


def parameters_to_vector(parameters):
    """All parameters, flattened, one behind the other: a tensor (n,)."""
    return minidl.ops.cat([p.reshape(-1) for p in parameters])


@no_grad()
def vector_to_parameters(vec, parameters):
    """Copy the numbers of `vec` (n,) into the parameters, in the order of `parameters_to_vector`."""
    parameters = list(parameters)
    n = sum([p.numel() for p in parameters])
    if vec.shape != (n,):
        raise ValueError(f"vector_to_parameters: parameters of {n} numbers, but vec has shape {vec.shape}")
    start = 0
    for p in parameters:
        p.copy_(vec[start:start + p.numel()].reshape(p.shape))
        start += p.numel()
