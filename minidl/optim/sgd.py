"""Stochastic gradient descent, with momentum."""
from minidl.kernels import kernels_for
from minidl.optim.optimizer import Optimizer, buffer


class SGD(Optimizer):
    """w <- w - lr g;  with momentum,  v <- momentum v + g,  w <- w - lr v.

    Momentum as Sutskever, Martens, Dahl & Hinton 2013, "On the importance of initialization and momentum in
    deep learning", but with lr outside of v, as in PyTorch: a new lr counts at once, for old gradients, too.

    dampening    : v takes (1 - dampening) g, except at the first step
    weight_decay : g takes weight_decay w, the gradient of weight_decay/2 |w|^2
    nesterov     : step along g + momentum v, where the next step will begin (section 3 of the paper)
    maximize     : climb
    """

    def __init__(self, params, lr=0.001, momentum=0, dampening=0, weight_decay=0, nesterov=False, *,
                 maximize=False):
        super().__init__(params, {"lr": lr, "momentum": momentum, "dampening": dampening,
                                  "weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize})

    def check(self, settings):
        super().check(settings)
        if settings["nesterov"] and (not settings["momentum"] or settings["dampening"]):
            raise ValueError("SGD: nesterov needs momentum and no dampening, not "
                             f"momentum={settings['momentum']} and dampening={settings['dampening']}")

    def update(self, w, g, state, lr, momentum, dampening, weight_decay, nesterov):
        if momentum and "momentum_buffer" not in state:
            dampening = 0
        v = buffer(state, "momentum_buffer", w) if momentum else None
        kernels_for(w).sgd_step(w, g, v, lr, momentum, dampening, weight_decay, nesterov)
