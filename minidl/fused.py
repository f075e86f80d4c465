"""Fused: an op done by kernels, with its meaning written out beside it."""
import minidl
from minidl.graph import grad
from minidl.kernels import is_array, kernels_for
from minidl.mode import Mode
from minidl.op import Op, needs_grad
from minidl.tensor import Tensor, of


class Fused(Op):
    """An op that a kernel does in one go, with its meaning written out beside it.

    forward    (k, *arrays)     -> array      the kernel
    gradient   (k, gy, *arrays) -> arrays     the hand-written gradient kernel, one per input
    definition (*tensors)       -> tensor     the same mathematics in elementary ops

    Read `definition` first. Tests hold the kernels to it, `mode(elementary=True)` runs it in the
    kernel's place, and gradients of gradients differentiate it. What forward stores in self serves
    `gradient`. All inputs are kept, because a definition may read any of them.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.reads_per_input = [set(cls.input_names)]

    def __call__(self, *inputs):
        if Mode.elementary and any([isinstance(x, Tensor) for x in inputs]):
            return self.definition(*[of(x) if is_array(x) else x for x in inputs])
        return super().__call__(*inputs)

    def record(self, inputs, y):
        super().record(inputs, y)
        if any([stored is y.array for stored in vars(self).values()]):       # then a change of y is one of this op's
            self.versions.append((y.version, y.version.count))

    def backward(self, gy, y, *xs):
        if isinstance(gy, Tensor):
            return self.gradient_of_definition(gy, *xs)
        return self.gradient(kernels_for(gy), gy, *xs)

    def gradient_of_definition(self, gy, *xs):
        """The gradients once more, from the definition, and themselves differentiable.

        Each slot gets a name of its own, so that a tensor in two slots receives two contributions; there the
        walk ends, for what lies behind is not this op's.
        """
        slots = [minidl.ops.alias(x) if needs_grad(x) else of(x) if is_array(x) else x for x in xs]
        asked = [x for x, wanted in zip(slots, self.wanted) if wanted]
        found = iter(grad(self.definition(*slots), asked, gy, create_graph=True, allow_unused=True,
                          end=[x for x in slots if needs_grad(x)]))
        return [next(found) if wanted else None for wanted in self.wanted]

    def gradient(self, k, gy, *arrays):
        raise NotImplementedError(f"{type(self).__name__} has no gradient")

    def definition(self, *xs):
        raise NotImplementedError(f"{type(self).__name__} has no definition")
