"""Module backward hooks: nodes that change no number, around one call of a module, see its gradients pass."""
from minidl.graph import as_tensor
from minidl.op import Op, needs_grad
from minidl.tensor import Tensor


class BackwardHooks:
    """One call of a module whose gradients are watched: its inputs pass one gate, its outputs another."""

    def __init__(self, module):
        self.module, self.grad_output = module, None

    def inputs(self, args):
        """`args`, on their way through the first gate."""
        self.number_of_inputs = len(args)
        args, self.has_input_gate = through_gate(args, self.gradients_left)
        return args

    def outputs(self, y):
        """The output (a tensor or a tuple of them) on its way through the second gate."""
        if not isinstance(y, (Tensor, tuple)):
            raise TypeError(f"{type(self.module).__name__} has backward hooks, so its output should be a "
                            f"tensor or a tuple, not {type(y).__name__}")
        passed, _ = through_gate(y if isinstance(y, tuple) else (y,), self.gradients_entered)
        return passed if isinstance(y, tuple) else passed[0]

    def gradients_entered(self, grads):
        for hook in list(self.module._backward_pre_hooks.values()):
            grads = self.answered(hook(self.module, grads), grads)
        self.grad_output = grads
        if not self.has_input_gate:              # no input needs a gradient: nothing else will arrive
            self.gradients_left((None,) * self.number_of_inputs)
        return grads

    def gradients_left(self, grads):
        grad_output, self.grad_output = self.grad_output, None
        for hook in list(self.module._backward_hooks.values()):
            grads = self.answered(hook(self.module, grads, grad_output), grads)
        return grads

    def answered(self, answer, grads):
        if answer is None:
            return grads
        answer = answer if isinstance(answer, tuple) else (answer,)
        if len(answer) != len(grads):
            raise ValueError(f"a backward hook of {type(self.module).__name__} answered with {len(answer)} "
                             f"gradients for {len(grads)}")
        return answer


def through_gate(values, arrived):
    """(`values`, with those tensors that need a gradient passed through one gate; was there one?)"""
    watched = [i for i, x in enumerate(values) if needs_grad(x)]
    gate = Gate(arrived, watched, len(values))
    signal = gate(*[values[i] for i in watched]) if watched else None
    if not needs_grad(signal):                   # under no_grad nothing comes back
        return values, False
    values = list(values)
    for i in watched:
        values[i] = Pass(gate, i)(values[i].detach(), signal)
    return tuple(values), True


class Gate(Op):
    """Waits for the gradients of several tensors and hands them, all together, to `arrived(grads)`.

    An op has one output. So each tensor goes its way through a Pass, which leaves its gradient in
    `waiting`; the Passes hang on the output of the gate, a 0, and the walk comes here when all are done.
    """

    def __init__(self, arrived, watched, n):
        self.arrived, self.watched, self.n, self.waiting = arrived, watched, n, {}

    def forward(self, k, *xs):
        return k.zeros((), xs[0].dtype)

    def backward(self, gy, y, *xs):
        waiting, self.waiting = self.waiting, {}
        grads = self.arrived(tuple([as_tensor(waiting.get(i)) for i in range(self.n)]))
        grads = [grads[i] for i in self.watched]
        return grads if isinstance(gy, Tensor) else [None if g is None else g.array for g in grads]


class Pass(Op):
    """x as it is; its gradient waits at the gate."""
    reads = "signal"
    view = True

    def __init__(self, gate, i):
        self.gate, self.i = gate, i

    def forward(self, k, x, signal):
        return x

    def backward(self, gy, y, x, signal):
        self.gate.waiting[self.i] = gy
        return None, signal                      # the 0 says that a gradient has passed
