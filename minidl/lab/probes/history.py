"""Gradient norms of every layer over a training."""
import numpy as np

from minidl.lab.probes.gradients import norm


class GradientHistory:
    """Collects norms by layer, step by step, in the caller's own training loop.

        history = GradientHistory()
        for step, (images, labels) in enumerate(loader):
            ...
            loss.backward()
            history.add(step, weight_norms(model))
            optimizer.step()
        history.matrix()                         # (layers, steps)

    `weight_norms(model)` reads the gradients that are there: it costs a pass over the parameters. The gradients of
    activations are not kept by a training; for these, observe a batch every now and then, and add
    {row.layer: row.rms for row in activation_gradients(seen)}.
    """

    def __init__(self):
        self.steps, self.rows = [], []

    def add(self, step, norms):
        """step : its number        norms : {layer: norm}"""
        self.steps.append(step)
        self.rows.append(dict(norms))

    @property
    def layers(self):
        """All layers, in the order in which they were first seen."""
        return list(dict.fromkeys([layer for row in self.rows for layer in row]))

    def matrix(self):
        """(layers, steps), NaN where a layer had no gradient."""
        return np.array([[row.get(layer, np.nan) for row in self.rows] for layer in self.layers])


def weight_norms(model):
    """{name: ||dL/dw||} of all parameters that are a matrix or more and have a gradient in `.grad`."""
    return {name: norm(p.grad.detach().cpu().array) for name, p in model.named_parameters()
            if p.ndim > 1 and p.grad is not None}
