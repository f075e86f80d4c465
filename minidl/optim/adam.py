"""Adam and AdamW: momentum divided by the size that gradients usually have."""
from minidl.kernels import kernels_for
from minidl.optim.optimizer import Optimizer, buffer


class Adam(Optimizer):
    """m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2,  w <- w - lr m' / (sqrt(v') + eps).

    Kingma & Ba 2015, "Adam: a method for stochastic optimization", arXiv 1412.6980, algorithm 1. m and v
    start at 0; m' = m / (1 - beta1^t) and v' = v / (1 - beta2^t) make up for that at step t.

    betas        : (beta1, beta2)
    weight_decay : g takes weight_decay w; AdamW does otherwise
    amsgrad      : divide by the largest v so far: Reddi, Kale & Kumar 2018, arXiv 1904.09237, algorithm 2
    """
    decoupled = False

    def __init__(self, params, lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *,
                 maximize=False):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
                                  "amsgrad": amsgrad, "maximize": maximize})

    def update(self, w, g, state, lr, betas, eps, weight_decay, amsgrad):
        state["step"] = state.get("step", 0) + 1
        m, v = buffer(state, "exp_avg", w), buffer(state, "exp_avg_sq", w)
        largest = buffer(state, "max_exp_avg_sq", w) if amsgrad else None
        kernels_for(w).adam_step(w, g, m, v, largest, state["step"], lr, *betas, eps, weight_decay, self.decoupled)


class AdamW(Adam):
    """Adam with the weights shrunk by themselves, w <- (1 - lr weight_decay) w, rather than through g and v.

    Loshchilov & Hutter 2019, "Decoupled weight decay regularization", arXiv 1711.05101, algorithm 2.
    """
    decoupled = True

    def __init__(self, params, lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, amsgrad=False, *,
                 maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
