"""Elementwise: an op that does the same to every number."""
from dataclasses import dataclass

import numpy as np

import minidl
from minidl.dtypes import category, get_default_dtype, result_type
from minidl.kernels import kernels_for
from minidl.op import Op, Outline
from minidl.tensor import Tensor


class Elementwise(Op):
    """An op whose inputs broadcast. Their dtypes are promoted first, by PyTorch's rules; each gradient
    is summed back to its input's shape.

    Forward and backward are arithmetic, and NumPy goes through whole arrays for each operation in it. For large arrays a
    kernel set may compile the arithmetic, and go through them once.

    to_float         : integers become the default float dtype first, as for exp or division
    number_by_number : False for ops that only broadcast like these, as a matrix product does
    """
    to_float = False
    number_by_number = True

    def prepare(self, inputs):
        for x in inputs:
            if isinstance(x, np.generic):
                inputs = scalars_settled(inputs)
                break
        try:
            dtypes = [x.dtype for x in inputs if type(x) not in (float, int, bool)]
        except AttributeError:
            kinds = ", ".join([type(x).__name__ for x in inputs])
            raise TypeError(f"{self}: takes tensors, arrays and real numbers, not {kinds}") from None
        if dtypes and dtypes.count(dtypes[0]) == len(dtypes) and dtypes[0].kind == "f":
            return inputs                                # by far the most common case
        dtype = result_type(*inputs)
        if self.to_float and category(dtype) < 2:
            dtype = get_default_dtype()
        return [minidl.ops.cast(x, dtype) if hasattr(x, "dtype") and x.dtype != dtype else x for x in inputs]

    def fitted(self, gx, shape):
        lead = len(gx.shape) - len(shape)
        if lead < 0 or any([n not in (1, m) for n, m in zip(shape, gx.shape[lead:])]):
            return super().fitted(gx, shape)
        return minidl.ops.sum_to(gx, shape)

    # ---- large arrays

    def forward_in_one_pass(self, k, *arrays):
        y = k.in_one_pass(Expression.of(self), arrays)
        return self.forward(k, *arrays) if y is None else y

    def backward_in_one_pass(self, gy, y, *xs):
        kept = [not isinstance(x, Outline) for x in (y, *xs)]
        arrays = [x if there else None for x, there in zip((y, *xs), kept)]
        gxs = kernels_for(gy).in_one_pass(Expression.of(self, tuple(self.wanted), tuple(kept)), [gy, *arrays])
        return self.backward(gy, y, *xs) if gxs is None else gxs


@dataclass(frozen=True)
class Expression:
    """What an elementwise op does to numbers: the same for all ops of one type that have the same settings.

    wanted : None for forward; for backward, which gradients are, of which it answers with a list, None for the others
    kept   : for backward, whether y and each input were
    """
    kind: type
    settings: tuple
    wanted: tuple | None
    kept: tuple | None

    @classmethod
    def of(cls, op, wanted=None, kept=None):
        fields = getattr(op, "__dataclass_fields__", ())
        return cls(type(op), tuple([(name, getattr(op, name)) for name in fields]), wanted, kept)

    def __call__(self, k, *arrays):
        """The op's own lines, run by an op that has its settings and nothing else, and must not learn anything."""
        op = object.__new__(self.kind)
        vars(op).update(self.settings, wanted=self.wanted)
        before = dict(vars(op))
        if self.wanted is None:
            answer = op.forward(k, *arrays)
        else:
            gy, *arrays = arrays
            gxs = op.backward(gy, *[x if kept else UNKNOWN for x, kept in zip(arrays, self.kept)])
            gxs = gxs if isinstance(gxs, (tuple, list)) else [gxs]
            answer = [gx if wanted else None for gx, wanted in zip(gxs, self.wanted, strict=True)]
        if vars(op) != before:
            raise TypeError(f"{op}: what forward stores in self depends on the arrays")
        return answer


UNKNOWN = object.__new__(Outline)                        # of no shape: what asks for it is not number by number


def scalars_settled(inputs):
    """NumPy scalars beside tensors become Python numbers, which take part in promotion without deciding
    it; among arrays they are what NumPy made of a 0-d array, and become one again."""
    beside_tensors = any([isinstance(x, Tensor) for x in inputs])
    return [x if not isinstance(x, np.generic) else x.item() if beside_tensors else np.asarray(x) for x in inputs]
