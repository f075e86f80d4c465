"""RMSprop: gradients divided by the size they usually have; PyTorch's and TensorFlow's."""
from minidl.kernels import kernels_for
from minidl.optim.optimizer import Optimizer, buffer


class RMSprop(Optimizer):
    """v <- alpha v + (1 - alpha) g^2,  w <- w - lr g / (sqrt(v) + eps).

    Tieleman & Hinton 2012, "Neural networks for machine learning", lecture 6.5.

    centered : divide by the standard deviation instead, sqrt(v - m^2), m being the running mean of g:
               Graves 2013, arXiv 1308.0850, equations 38 to 41
    momentum : the quotients are accumulated, b <- momentum b + g / (...), and the step is lr b
    """

    def __init__(self, params, lr=0.01, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, *,
                 maximize=False):
        super().__init__(params, {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay,
                                  "momentum": momentum, "centered": centered, "maximize": maximize})

    def check(self, settings):
        super().check(settings)
        check_alpha(self, settings)

    def update(self, w, g, state, lr, alpha, eps, weight_decay, momentum, centered):
        state["step"] = state.get("step", 0) + 1
        v = buffer(state, "square_avg", w)
        m = buffer(state, "grad_avg", w) if centered else None
        b = buffer(state, "momentum_buffer", w) if momentum else None
        kernels_for(w).rmsprop_step(w, g, v, m, b, lr, alpha, eps, weight_decay, momentum)


class RMSpropTF(Optimizer):
    """v <- alpha v + (1 - alpha) g^2,  b <- momentum b + lr g / sqrt(v + eps),  w <- w - b.

    TensorFlow's RMSProp, with which the Inception, MobileNet, EfficientNet and AmoebaNet papers train; PyTorch has
    none. It differs in three ways: eps stands under the root, where papers that give 1 or 0.001 mean it; v starts at
    1, not 0; and lr is part of what accumulates, so that a new lr counts for new gradients alone.
    """

    def __init__(self, params, lr=0.01, alpha=0.9, eps=1e-10, weight_decay=0, momentum=0, *, maximize=False):
        super().__init__(params, {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay,
                                  "momentum": momentum, "maximize": maximize})

    def check(self, settings):
        super().check(settings)
        check_alpha(self, settings)

    def update(self, w, g, state, lr, alpha, eps, weight_decay, momentum):
        v, b = buffer(state, "square_avg", w, 1.0), buffer(state, "momentum_buffer", w)
        kernels_for(w).rmsprop_tf_step(w, g, v, b, lr, alpha, eps, weight_decay, momentum)


def check_alpha(optimizer, settings):
    if settings["alpha"] > 1:
        raise ValueError(f"{optimizer}: alpha is a number from 0 to 1, not {settings['alpha']}")
