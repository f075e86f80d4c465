"""Linearized: a model at one input as the linear map that is its derivative there."""
from functools import cached_property

import minidl
from minidl.graph import grad
from minidl.lab.observe import host, refuse_nan, tensors_in
from minidl.lab.untouched import input_for, untouched
from minidl.mode import mode


class Linearized:
    """J, the derivative of the output of a module in its input x, as products with vectors; it is never written down.

    J has a row for every number of the output (of several outputs, the first) and a column for every number of x, all
    examples of a batch together: where they meet only in their own rows, J is block-diagonal; batch norm in training mode
    couples them.

    Building it costs a forward pass of the model, on copies (see `untouched`), and keeps its graph; u J costs a backward
    pass; J v a walk through the graph of a backward pass, which is built at the first one: u J is linear in u, and its
    derivative in u is J v.
    """

    def __init__(self, model, x, dtype=None, observer=None):
        with untouched(model, dtype), mode(recording=True, observer=observer):
            refuse_nan(model)
            for p in model.parameters():                         # the copies, so that the graph shows where they are used
                p.requires_grad = True
            self.x = input_for(model, x)
            if not self.x.is_floating_point():
                raise TypeError(f"{type(model).__name__}: the input is of {self.x.dtype}; only floating-point numbers have "
                                "a derivative")
            self.y = tensors_in(model(self.x.requires_grad_()))[0]
        if not self.y.requires_grad:
            raise ValueError(f"{type(model).__name__} has no layers to probe: its output has no derivative in its input")

    def vjp(self, u):
        """u J: of the shape of x, for an array u of the shape of y."""
        gx, = grad(self.y, self.x, self.like(u, self.y), retain_graph=True, allow_unused=True)
        return host(minidl.zeros_like(self.x) if gx is None else gx)

    def jvp(self, v):
        """J v: of the shape of y, for an array v of the shape of x."""
        u, uJ = self.second_graph
        gu, = grad(uJ, u, self.like(v, self.x), retain_graph=True, allow_unused=True)
        return host(minidl.zeros_like(u) if gu is None else gu)

    @cached_property
    def second_graph(self):
        """u, at 0, and u J computed from it."""
        u = minidl.zeros_like(self.y).requires_grad_()
        with mode(recording=True):
            return u, grad(self.y, self.x, u, create_graph=True)[0]

    def like(self, array, x):
        """An array as a tensor of x's shape and dtype, where x is."""
        return minidl.tensor(array, dtype=x.dtype, device=x.device).reshape(x.shape)
