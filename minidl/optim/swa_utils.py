"""Averaging the weights of training, for a model that is better than the last one."""
import copy

import minidl
from minidl.mode import no_grad
from minidl.nn.module import Module


class AveragedModel(Module):
    """A copy of `model` whose parameters are running averages of the model's: w' <- decay w' + (1 - decay) w.

        averaged = AveragedModel(model, decay=0.999)
        ... optimizer.step(); averaged.update_parameters(model)
        averaged.eval()(x)

    Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging", with the weights of the
    past falling off exponentially. The first update copies the parameters; buffers (batch norm's statistics)
    are copied always.
    """

    def __init__(self, model, decay=0.999):
        super().__init__()
        if not 0 <= decay <= 1:
            raise ValueError(f"AveragedModel: decay is a number from 0 to 1, not {decay}")
        self.module, self.decay = copy.deepcopy(model), decay
        device = next((x.device for x in model.parameters()), None)
        self.register_buffer("n_averaged", minidl.tensor(0, device=device))

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model):
        """Take the model's present parameters into the average; after each step of the optimizer."""
        old = (self.n_averaged > 0).to(minidl.float64) * self.decay          # a tensor: to read it is to wait for a GPU
        mine, new = list(self.module.parameters()), list(model.parameters())
        if [p.shape for p in mine] != [p.shape for p in new]:
            raise ValueError(f"AveragedModel: this {type(model).__name__} has other parameters than the model that "
                             "was copied")
        weights = {dtype: (old.to(dtype).array, (1 - old).to(dtype).array) for dtype in {x.dtype for x in mine}}
        for average, x in zip(mine, new):
            weight, weight_of_new = weights[x.dtype]
            average.array *= weight
            average.array += weight_of_new * x.array
            average.version.bump("update_parameters")
        for average, x in zip(self.module.buffers(), model.buffers()):
            average.copy_(x)
        self.n_averaged.add_(1)
