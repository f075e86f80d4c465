"""Nine mistakes that people make in writing backpropagation, each of which can be put into minidl for a while.

    with bugs.injected(3):
        t = trace.record(model, images, labels)

The first two are in the engine, six are in the rule of an op, and one is in a program that uses both. For the length of the
with-block the whole process computes wrongly, in all threads.
"""
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from minidl import graph
from minidl.graph import Walk
from minidl.op import Op
from minidl.ops.activation import ReLU
from minidl.ops.convolution import Conv2d
from minidl.ops.loss import CrossEntropy
from minidl.ops.matrix import MatMul
from minidl.ops.normalization import BatchNorm
from minidl.ops.pooling import MaxPool2d


@dataclass(frozen=True)
class Bug:
    """A mistake.

    where     : the class of the op at which it shows, as traces call it
    invariant : which finds it: "ledger", "late" or "saved", which always look; or "check", the finite differences of a node
    patches   : () -> context managers that put it into minidl
    meddle    : (model) -> None, what a program with this mistake does between forward and backward; or None
    """
    name: str
    where: str
    invariant: str
    explanation: str
    patches: Callable = list
    meddle: Callable | None = None


@contextmanager
def injected(number):
    """Put bug `number`, 1 to 9, into minidl, and take it out at the end of the block."""
    with ExitStack() as stack:
        for change in BUGS[number].patches():
            stack.enter_context(change)
        yield BUGS[number]


# ---- in the engine


def overwrite(walk, node, gx):
    walk.grads[node] = gx


def order_of_first_arrival(nodes, end=()):
    """As `topological_order`, but one node that several others read comes right after the first of them."""
    order = correct_order(nodes, end)
    for node in reversed(order):
        readers = [other for other in order if isinstance(other, Op) and any([edge is node for edge in other.edges])]
        if isinstance(node, Op) and len(readers) > 1:
            order.remove(node)
            order.insert(order.index(readers[-1]), node)         # orders are gone through from their end
            break
    return order


correct_order = graph.topological_order


# ---- in rules


def without_mask(self, gy, y, x):
    return gy


def to_the_whole_window(self, k, gy, x):
    """As if it were an average, but with the whole gradient for everyone."""
    KH, KW = self.size
    return k.avg_pool_gradient(gy * (KH * KW), x.shape, self.size, self.stride, self.padding, self.ceil_mode, True)


def with_constant_statistics(self, k, gy, x, w, b):
    _, gw, gb = k.batch_norm_gradient(gy, x, w, self.batch_mean, self.inv_std)
    scale = self.inv_std if w is None else w * self.inv_std
    return gy * scale.reshape(1, -1, 1, 1), gw, gb


def with_a_flipped_kernel(self, k, gy, x, w, b):
    flipped = k.asarray(w[:, :, ::-1, ::-1].copy())
    return correct_convolution(self, k, gy, x, flipped, b)


def without_the_mean(self, k, gy, x, labels, weight):
    gx, *others = correct_cross_entropy(self, k, gy, x, labels, weight)
    return gx / self.share, *others


def with_b_as_it_is(self, gy, y, a, b):
    return gy @ b, a.swapaxes(-2, -1) @ gy


correct_convolution, correct_cross_entropy = Conv2d.gradient, CrossEntropy.gradient


# ---- in a program


def decay_weights(model):
    """Weight decay, one line too early, and past the counter that would have noticed."""
    for p in model.parameters():
        if p.ndim > 1:
            p.array *= 0.9


BUGS = {
    1: Bug("overwrite instead of add", "BatchNorm", "ledger",
           "A value that is used twice gets a contribution from each use, and its gradient is their sum: the chain rule of "
           "several variables. Here the second contribution took the place of the first. Every rule on its own is right, "
           "so that finite differences of single nodes find nothing; only the ledger does.",
           lambda: [patch.object(Walk, "add", overwrite)]),
    2: Bug("late contribution", "BatchNorm", "late",
           "A node may be processed only when all that read its value have sent their part: that is what the topological "
           "order is for. Here it went on after the first of them, and the part that came later was lost to everything "
           "before it.",
           lambda: [patch.object(graph, "topological_order", order_of_first_arrival)]),
    3: Bug("forgotten mask", "ReLU", "check",
           "Where ReLU's input was negative its output is a constant, and nothing flows back. Here the gradient passed as "
           "if ReLU were the identity.",
           lambda: [patch.object(ReLU, "backward", without_mask)]),
    4: Bug("wrong pooling", "MaxPool2d", "check",
           "Only the largest number of a window reaches the output, so only it receives the gradient. Here every number of "
           "the window did.",
           lambda: [patch.object(MaxPool2d, "gradient", to_the_whole_window)]),
    5: Bug("statistics as constants", "BatchNorm", "check",
           "Mean and variance are computed from x, so that x has three paths to the output: directly, through the mean, and "
           "through the variance. Here the last two were forgotten.",
           lambda: [patch.object(BatchNorm, "gradient", with_constant_statistics)]),
    6: Bug("flipped kernel", "Conv2d", "check",
           "The gradient of a convolution's input is a convolution with the kernel turned by 180 degrees: once. Here it was "
           "turned a second time, and is as it was.",
           lambda: [patch.object(Conv2d, "gradient", with_a_flipped_kernel)]),
    7: Bug("forgotten 1/N", "CrossEntropy", "check",
           "The loss is a mean over the batch, so that each image's part of the gradient is a N-th of p - y. Here it was "
           "p - y itself: training seems to work, with a learning rate that depends on the size of the batch.",
           lambda: [patch.object(CrossEntropy, "gradient", without_the_mean)]),
    8: Bug("permuted matmul", "MatMul", "check",
           "y = a b has the gradient gy b^T in a. Here it was gy b; with a square b the shapes fit, and nobody complains.",
           lambda: [patch.object(MatMul, "backward", with_b_as_it_is)]),
    9: Bug("edit in place", "MatMul", "saved",
           "The rule of a product reads the weights that forward used. Here the program had changed them in the meantime, "
           "through .array, past the version counter that guards against it: the gradient belongs to no function at all.",
           meddle=decay_weights),
}
