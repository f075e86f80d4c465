"""Adagrad: each weight's rate shrinks with the gradients it has seen."""
from minidl.kernels import kernels_for
from minidl.optim.optimizer import Optimizer, buffer


class Adagrad(Optimizer):
    """G <- G + g^2,  w <- w - lr g / (sqrt(G) + eps).

    Duchi, Hazan & Singer 2011, "Adaptive subgradient methods for online learning and stochastic
    optimization", figure 1 with the diagonal of G.

    lr_decay : lr is divided by 1 + (t - 1) lr_decay at step t
    initial_accumulator_value : where G starts
    """

    def __init__(self, params, lr=0.01, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10, *,
                 maximize=False):
        super().__init__(params, {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay,
                                  "initial_accumulator_value": initial_accumulator_value, "eps": eps,
                                  "maximize": maximize})

    def update(self, w, g, state, lr, lr_decay, weight_decay, initial_accumulator_value, eps):
        t = state["step"] = state.get("step", 0) + 1
        total = buffer(state, "sum", w, initial_accumulator_value)
        kernels_for(w).adagrad_step(w, g, total, lr / (1 + (t - 1) * lr_decay), eps, weight_decay)
