"""footprint: the memory that a training step takes, without computing a number."""
import weakref
from dataclasses import dataclass

from minidl.dtypes import get_default_dtype
from minidl.graph import backward
from minidl.kernels import is_array
from minidl.kernels.meta import MetaArray
from minidl.mode import mode
from minidl.op import FREED
from minidl.random import get_rng_state, set_rng_state
from minidl.tensor import Tensor, Version, of


@dataclass(frozen=True)
class Footprint:
    """Bytes of arrays in a training step with a batch of `batch_size` images, by SGD with momentum.

    parameters : with the buffers, such as the running statistics of batch norm
    momentum   : what the optimizer remembers of each parameter that is trained
    peak       : the most at a time: these two, the images, results kept for the way back, and the gradients

    A process takes about 100 MiB more, whatever the batch: the code of the kernels, and the memory that threads work
    in. What the C library leaves between arrays of different sizes is not foreseen: a tenth of them is common.
    """
    batch_size: int
    parameters: int
    momentum: int
    peak: int


def footprint(model, input_shape, batch_size=1):
    """The Footprint of training `model` on images of `input_shape` (C, H, W).

    Forward and backward are run on arrays that have a shape and no numbers. They are made and let go in the same
    order as real ones, and count themselves; so nothing here knows what an op keeps, or when the walk back frees it.
    The loss is left out: whatever it is, the gradient it gives has the shape of the model's result, or of each of them.
    Also left out is what a convolution needs while it runs.
    """
    elsewhere = MetaArray.alive
    with without_numbers(model, training=True), mode(recording=True):
        parameters = MetaArray.alive - elsewhere
        momentum = [MetaArray(p.shape, p.dtype) for p in model.parameters() if p.requires_grad]
        MetaArray.most = MetaArray.alive
        y = model(of(MetaArray((batch_size, *input_shape), get_default_dtype())))
        results = [x for x in (y if isinstance(y, tuple) else (y,)) if x.requires_grad]
        backward(results, [of(MetaArray(x.shape, x.dtype)) for x in results])
        return Footprint(batch_size, parameters, sum(x.nbytes for x in momentum), MetaArray.most - elsewhere)


def batch_that_fits(model, input_shape, room, batch_size):
    """The largest of batch_size / 2, batch_size / 4, ... 1 whose training takes at most `room` bytes; None if none does.

    A tenth of the footprint is added, for what it does not foresee.
    """
    while batch_size > 1:
        batch_size //= 2
        if 1.1 * footprint(model, input_shape, batch_size).peak <= room:
            return batch_size
    return None


class without_numbers:
    """For the length of a with-block a model's numbers are only shapes, and it is in training or in eval mode."""

    def __init__(self, model, training=False):
        self.tensors = {id(x): x for x in [*model.parameters(), *model.buffers()]}.values()
        self.modes, self.training = [(module, module.training) for module in model.modules()], training

    def __enter__(self):
        self.random = get_rng_state()                    # dropout draws
        self.before = [(x.array, x.grad, x.version) for x in self.tensors]
        for x in self.tensors:
            x.array, x.grad, x.version = MetaArray(x.shape, x.dtype), None, Version()
        for module, _ in self.modes:
            module.training = self.training

    def __exit__(self, *_):
        set_rng_state(self.random)
        for x, before in zip(self.tensors, self.before):
            x.array, x.grad, x.version = before
        for module, training in self.modes:
            module.training = training


class Kept:
    """What ops keep for the way back, told op by op: memory that several keep is told of the first.

    Parameters, which live anyway, do not count.
    """

    def __init__(self):
        self.told = {}                                   # id of an array -> weak reference to it

    def newly(self, op):
        """Bytes that this op keeps and none did before; 0 if it is not in a graph."""
        if op.edges is None or op.edges is FREED:
            return 0
        inputs = [x for x in op.saved if not (isinstance(x, Tensor) and x.is_leaf and x.requires_grad)]
        arrays = [x.array if isinstance(x, Tensor) else x for x in [*inputs, *vars(op).values()]]
        return sum([self.bytes_of(owner(x)) for x in arrays if is_array(x)])

    def bytes_of(self, array):
        if id(array) in self.told and self.told[id(array)]() is array:
            return 0
        self.told[id(array)] = weakref.ref(array)
        return array.nbytes


def owner(array):
    """The array whose memory this one shows a part of, or itself."""
    while is_array(getattr(array, "base", None)):
        array = array.base
    return array
