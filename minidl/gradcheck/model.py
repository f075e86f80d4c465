"""gradcheck_model: is the gradient of a whole network right, parameter by parameter?"""
import contextlib

import numpy as np

import minidl
from minidl import ops
from minidl.gradcheck.check import Point, Report, probes, prove
from minidl.kernels import is_array
from minidl.tensor import Tensor


def gradcheck_model(model, batch, loss=None, *, directions=1, order=1, seed=0, name=None):
    """Check the gradient of every parameter of `model`, and of its input, along random directions in float64.

    batch : the input, or (input, labels); arrays or tensors, on the model's device
    loss  : (output, labels) -> a tensor. Default: cross_entropy, or mse_loss where the labels are floats; without
            labels the output itself, under a random cotangent

    The model computes as it is switched, train() or eval(), and is left as it was to the last bit: parameters and
    buffers are lent to it as float64 copies, and the default generator is seeded for every evaluation, so that
    dropout drops the same numbers, and put back. Raises GradcheckError, or returns a Report; what is measured,
    `gradcheck` says.
    """
    inputs, labels = batch if isinstance(batch, (tuple, list)) else (batch, None)
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    f = Functional(model, list(parameters.values()), doubled(inputs), doubled(labels), loss, seed)
    names = [f"{name} {p.shape}" for name, p in parameters.items()]
    xs = [Tensor(p.array.astype(np.float64)) for p in parameters.values()]
    if f.input.is_floating_point():
        names.append(f"the input {f.input.shape}")
        xs.append(f.input)
    if not xs:
        raise ValueError(f"gradcheck_model: {type(model).__name__} has no parameters that require a gradient, and its "
                         "input is not floating-point")
    rng = np.random.default_rng(seed)
    state = minidl.get_rng_state()
    try:
        point = Point(f, xs, names, Report(name or type(model).__name__))
        point.set_cotangent("random", rng)
        return prove(point, order, lambda point: probes(point, "directional", directions, 0, rng), rng, explain=False)
    finally:
        minidl.set_rng_state(state)


class Functional:
    """A model and its loss as a function of the parameters and the input."""

    def __init__(self, model, parameters, input, labels, loss, seed):
        self.model, self.parameters, self.labels, self.seed = model, parameters, labels, seed
        self.input = input
        self.loss = loss or (ops.mse_loss if labels is not None and labels.is_floating_point() else ops.cross_entropy)
        if loss is None and labels is None:
            self.loss = lambda output, _: output

    def __call__(self, *tensors):
        x = tensors[len(self.parameters)] if len(tensors) > len(self.parameters) else self.input
        minidl.manual_seed(self.seed)
        with lent(self.model, dict(zip(map(id, self.parameters), tensors))):
            return self.loss(self.model(x), self.labels)


@contextlib.contextmanager
def lent(model, tensors):
    """`model` with other tensors in place of its parameters (by their id), and with copies of its buffers."""
    before, copies = [], {}
    for module in model.modules():
        for name, x in [*module._parameters.items(), *module._buffers.items()]:
            before.append((vars(module), name, x))
            if id(x) not in tensors and id(x) not in copies:
                copies[id(x)] = Tensor(x.array.astype(np.float64) if x.is_floating_point() else x.array.copy())
            vars(module)[name] = tensors.get(id(x), copies.get(id(x)))
    try:
        yield
    finally:
        for attributes, name, x in before:
            attributes[name] = x


def doubled(x):
    """A tensor of x's numbers, in float64 if they are floats; None stays None."""
    if x is None:
        return None
    x = Tensor(x if isinstance(x, Tensor) or is_array(x) else np.asarray(x))
    return x.detach().double() if x.is_floating_point() else x
