"""Derivatives of a function: products with its Jacobian J and Hessian H, and these matrices themselves.

Each takes a function of tensors and its inputs, one tensor or a tuple of them, and answers in the same form.
Nobody's `.grad` is touched. With create_graph the answer can be differentiated in its turn, in the inputs and
in whatever else the function reads. Where an output does not depend on an input, the answer is zeros; with
strict=True it is an error.
"""
import minidl
from minidl.graph import grad
from minidl.mode import mode
from minidl.tensor import Tensor


def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """func(*inputs), and v^T J: the gradients in the inputs, of the outputs weighted by v.

    v : of the outputs' shapes; may be left out where the output is a single number
    """
    with mode(recording=True):
        xs, ys, y_form = evaluated("vjp", func, inputs, create_graph)
        gxs = gradients("vjp", ys, xs, v, create_graph, strict)
    return formed(ys, y_form, create_graph), formed(gxs, type(inputs), create_graph)


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """func(*inputs), and J v: how the outputs change as the inputs move along v.

    v : of the inputs' shapes; may be left out where the input is a single number

    Two walks back make one forward: u^T J is linear in u, and its gradient in u is J v.
    """
    with mode(recording=True):
        xs, ys, y_form = evaluated("jvp", func, inputs, create_graph)
        us = tuple([minidl.zeros_like(y, requires_grad=True) for y in ys])
        gxs = gradients("jvp", ys, xs, us, True, strict)
        gys = gradients("jvp", gxs, us, v, create_graph, strict)
    return formed(ys, y_form, create_graph), formed(gys, y_form, create_graph)


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """func(*inputs), a single number, and H v. H is symmetric, so that `vhp` says the same for half the work."""
    gradient, values = gradient_of("hvp", func, strict)
    _, product = jvp(gradient, inputs, v, create_graph, strict)
    return formed(values, Tensor, create_graph), formed(product, type(inputs), create_graph)


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """func(*inputs), a single number, and v^T H, for v of the inputs' shapes."""
    gradient, values = gradient_of("vhp", func, strict)
    _, product = vjp(gradient, inputs, v, create_graph, strict)
    return formed(values, Tensor, create_graph), product


def jacobian(func, inputs, create_graph=False, strict=False):
    """The derivative of every number of the outputs in every number of the inputs.

    One tensor in, one out: of shape (*output.shape, *input.shape). Several inputs make it a tuple, and several
    outputs a tuple of those. It takes a walk back for every number of the outputs.
    """
    with mode(recording=True):
        xs, ys, y_form = evaluated("jacobian", func, inputs, create_graph)
        blocks = []
        for y in ys:
            rows = [gradients("jacobian", (y,), xs, basis(y, j), create_graph, strict, retain_graph=True)
                    for j in range(y.numel())]
            blocks.append([stacked([row[i] for row in rows], (*y.shape, *x.shape), x) for i, x in enumerate(xs)])
    return formed([formed(block, type(inputs), create_graph) for block in blocks], y_form)


def hessian(func, inputs, create_graph=False, strict=False):
    """The second derivatives of a function that gives a single number: of shape (*input.shape, *input.shape).

    Several inputs make it a tuple of tuples: hessian[i][j] of shape (*inputs[i].shape, *inputs[j].shape).
    """
    gradient, _ = gradient_of("hessian", func, strict)
    return formed(jacobian(gradient, inputs, create_graph, strict), type(inputs))


# ---- the parts


def evaluated(who, func, inputs, create_graph):
    """The inputs as leaves (with create_graph as new names, joined to the caller's graph), what func makes of
    them as a tuple, and the type it gave it in."""
    xs = tuple([minidl.ops.alias(x) if create_graph and x.requires_grad else x.detach().requires_grad_()
                for x in as_tuple(who, "inputs", inputs)])
    y = func(*xs)
    return xs, as_tuple(who, "what func gives", y), type(y)


def gradients(who, ys, xs, v, create_graph, strict, retain_graph=None):
    """The gradients in xs of the ys weighted by v; zeros, or with strict an error, where nothing arrives."""
    vs = as_tuple(who, "v", v) if v is not None else (None,) * len(ys)
    if len(vs) != len(ys):
        raise ValueError(f"{who}: v has {len(vs)} tensors, where {len(ys)} are to be weighted")
    joined = [(y, gy) for y, gy in zip(ys, vs) if y.requires_grad]
    if strict and len(joined) < len(ys):
        raise RuntimeError(f"{who}: strict, and an output does not depend on the inputs")
    outputs, weights = zip(*joined) if joined else ((), ())
    gxs = grad(outputs, xs, weights, retain_graph, create_graph, allow_unused=True)
    for i, gx in enumerate(gxs):
        if strict and (gx is None or create_graph and not gx.requires_grad):
            raise RuntimeError(f"{who}: strict, and {'the output' if gx is None else 'its gradient'} does not "
                               f"depend on input {i} of shape {xs[i].shape}")
    return tuple([minidl.zeros_like(x) if gx is None else gx for gx, x in zip(gxs, xs)])


def gradient_of(who, func, strict):
    """The function that gives the gradient of func, differentiable; and a list that will hold func's value."""
    values = []

    def gradient(*xs):
        y = func(*xs)
        if not isinstance(y, Tensor) or y.numel() != 1:
            raise ValueError(f"{who}: the function must give a single number, not "
                             f"{f'shape {y.shape}' if isinstance(y, Tensor) else type(y).__name__}")
        values.append(y)
        return gradients(who, (y,), xs, None, True, strict)

    return gradient, values


def stacked(rows, shape, x):
    """Rows of x's dtype, one for each number of an output, as one tensor; there may be none."""
    return minidl.stack(rows).reshape(shape) if rows else minidl.zeros(shape, dtype=x.dtype, device=x.device)


def basis(y, j):
    """Zeros of y's shape with 1 in place j."""
    e = minidl.zeros(y.numel(), dtype=y.dtype, device=y.device)
    e[j] = 1
    return e.reshape(y.shape)


def as_tuple(who, what, x):
    """One tensor or several as a tuple."""
    xs = tuple(x) if isinstance(x, (tuple, list)) else (x,)
    for x in xs:
        if not isinstance(x, Tensor):
            raise TypeError(f"{who}: {what} must be a tensor or a tuple of tensors, not {type(x).__name__}")
    return xs


def formed(tensors, form, create_graph=True):
    """A tuple, or its one member where a single tensor came in; out of the graph, unless create_graph."""
    tensors = tuple(tensors) if create_graph else tuple([x.detach() for x in tensors])
    return tensors if issubclass(form, (tuple, list)) else tensors[0]
