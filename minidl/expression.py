"""What an elementwise op does to numbers, apart from the arrays that have them: for kernels that compile it."""
from dataclasses import dataclass

from minidl.op import Outline


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


def of(op, wanted=None, kept=None):
    """The Expression of an op."""
    fields = getattr(op, "__dataclass_fields__", ())
    return Expression(type(op), tuple([(name, getattr(op, name)) for name in fields]), wanted, kept)


UNKNOWN = object.__new__(Outline)                        # of no shape: what asks for it is not number by number
