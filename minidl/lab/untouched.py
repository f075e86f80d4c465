"""untouched: a with-block in which a model computes on copies, so that nothing of it is changed by being looked at."""
import contextlib

import minidl
from minidl.nn import Parameter
from minidl.random import get_rng_state, set_rng_state
from minidl.tensor import Tensor, of


@contextlib.contextmanager
def untouched(model, dtype=None):
    """For the length of a with-block `model` holds copies of its parameters and buffers, in `dtype` if one is given.

    Afterwards, also after an error, every attribute of every module is the object that it was: parameters with their
    gradients and tensor hooks, buffers, modes, hooks; and the default generator is where it was. What a graph built
    before had kept is not touched either. Module backward hooks, which are there to see the gradients of a training, are
    not called in the block; forward hooks are, since they may take part in what the model computes.

    Costs a copy of the parameters and buffers.
    """
    random, before = get_rng_state(), [(module, dict(vars(module))) for module in model.modules()]
    copies = {}
    try:
        for module, attributes in before:
            for name, x in attributes.items():
                if isinstance(x, Parameter) or name in module._is_persistent and x is not None:
                    copies.setdefault(id(x), copy_of(x, dtype))
                    vars(module)[name] = copies[id(x)]
            vars(module).update(_forward_hooks=dict(module._forward_hooks), _backward_hooks={}, _backward_pre_hooks={})
        yield
    finally:
        for module, attributes in before:
            vars(module).clear()
            vars(module).update(attributes)
        set_rng_state(random)


def copy_of(x, dtype):
    """A parameter or buffer with memory of its own; only floating-point numbers take the dtype."""
    array = x.array.astype(dtype) if dtype is not None and x.is_floating_point() else x.array.copy()
    return Parameter(of(array), x.requires_grad) if isinstance(x, Parameter) else Tensor(array)


def input_for(model, x):
    """x, a tensor or an array, as a tensor with memory of its own, on the device and in the dtype of the weights."""
    x = minidl.tensor(x)
    weights = next(model.parameters(), None)
    return x if weights is None else x.to(weights if x.is_floating_point() else weights.device)
