"""Gradients layer by layer: of activations, of weights, and what an optimizer makes of them."""
import copy
from typing import NamedTuple

import numpy as np

from minidl.lab.observe import observe
from minidl.tensor import Version, of


class ActivationGradient(NamedTuple):
    """norm = ||dL/dy|| over the whole batch, rms = norm / sqrt(numbers in y)."""
    layer: str
    kind: str
    norm: float
    rms: float


def activation_gradients(seen):
    """An ActivationGradient for each layer of an Observation, in the order in which the layers run.

    He et al. 2015, arXiv 1502.01852, section 2.2, on what keeps these from growing or shrinking exponentially. Norms of
    layers of different size compare only as rms. Costs one pass over the gradients that were observed.
    """
    return [ActivationGradient(layer.name, layer.kind, norm(layer.gy), norm(layer.gy) / np.sqrt(layer.gy.size))
            for layer in seen.layers if layer.gy is not None]


class WeightGradient(NamedTuple):
    """norm = ||dL/dw||, weight_norm = ||w||, ratio = norm / weight_norm (NaN where w is 0)."""
    parameter: str
    norm: float
    weight_norm: float
    ratio: float


def weight_gradients(seen):
    """A WeightGradient for each parameter of an Observation that received a gradient.

    They belong in a panel of their own: in a network of linear layers without biases and ReLUs, <w, dL/dw> is the same
    number for every layer, however steeply dL/dy falls (Euler's theorem for homogeneous functions), so that these can
    look healthy where those vanish. Costs one pass over the parameters.
    """
    return [WeightGradient(name, norm(gw), norm(w), ratio(norm(gw), norm(w)))
            for name, w, gw in seen.weights if gw is not None]


class Update(NamedTuple):
    """update = ||change of w in one step||, weight_norm = ||w||, ratio = update / weight_norm."""
    parameter: str
    update: float
    weight_norm: float
    ratio: float


def updates(model, optimizer, x, loss):
    """An Update for each parameter that the next step of `optimizer` on loss(model(x)) would change. It is not taken.

    For plain gradient descent the ratio is lr ||dL/dw|| / ||w||; for others what they make of it, with their momentum as
    it is now. A rule of thumb for it is 1e-3 (A. Karpathy, CS231n notes, "Neural networks part 3"). Parameters, their
    gradients and the optimizer's state are afterwards what they were. Costs a forward and a backward pass, and copies of
    the parameters and of the state.
    """
    seen, parameters = observe(model, x, loss=loss), dict(model.named_parameters())
    gradients = {id(parameters[name]): gw for name, _, gw in seen.weights}
    held = [p for group in optimizer.param_groups for p in group["params"]]
    before, state = [(p, p.array, p.grad, p.version) for p in held], optimizer.state
    try:
        optimizer.state = {p: copy.deepcopy(of_p) for p, of_p in state.items()}
        for p, array, _, _ in before:
            gw = gradients.get(id(p))
            p.array, p.version = array.copy(), Version()
            p.grad = None if gw is None else of(gw).to(p.device)
        optimizer.step()
        changes = {id(p): norm(p.detach().cpu().array - of(array).cpu().array) for p, array, _, _ in before}
    finally:
        optimizer.state = state
        for p, array, gradient, version in before:
            p.array, p.grad, p.version = array, gradient, version
    return [Update(name, changes[id(p)], norm(w), ratio(changes[id(p)], norm(w)))
            for (name, p), (_, w, gw) in zip(parameters.items(), seen.weights) if gw is not None and id(p) in changes]


def norm(x):
    """The root of the sum of squares, in float64: squares of small float32 numbers are 0."""
    return float(np.linalg.norm(np.asarray(x, np.float64)))


def ratio(a, b):
    return a / b if b else float("nan")
