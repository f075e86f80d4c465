"""Matrix products and Einstein sums."""
import string
from dataclasses import dataclass
from math import prod

from minidl.fused import Fused
from minidl.op import Elementwise, Outline
from minidl.ops.shape import expand, permute, reshape, squeeze, transpose, unsqueeze

__all__ = ["bmm", "dot", "einsum", "linear", "matmul", "mm", "outer"]


class MatMul(Elementwise):
    """y = a b over the last two dimensions; the dimensions before them broadcast."""
    reads = "b, a"
    number_by_number = False

    def forward(self, k, a, b):
        return k.matmul(a, b)

    def backward(self, gy, y, a, b):
        return gy @ b.swapaxes(-2, -1), a.swapaxes(-2, -1) @ gy


@dataclass(eq=False)
class Einsum(Elementwise):
    """Letters name dimensions: those that are not in the output are multiplied and summed over.

    The gradient of an input is an Einstein sum again: of gy and the other inputs, into that input's letters.
    """
    letters: tuple            # per input, e.g. ("ij", "jk"); no letter twice in one
    output: str               # e.g. "ik"
    reads = "xs"
    number_by_number = False

    def forward(self, k, *xs):
        return k.einsum(f"{','.join(self.letters)}->{self.output}", *xs, optimize=len(xs) > 2)

    def backward(self, gy, y, *xs):
        return [self.gradient_of(i, gy, xs) if self.needs(i) else None for i in range(len(xs))]

    def gradient_of(self, i, gy, xs):
        mine, others = self.letters[i], [j for j in range(len(xs)) if j != i]
        reachable = self.output + "".join([self.letters[j] for j in others])
        found = "".join([c for c in mine if c in reachable])           # the rest was summed alone: gx repeats
        gx = Einsum((self.output, *[self.letters[j] for j in others]), found)(gy, *[xs[j] for j in others])
        gx = reshape(gx, [gx.shape[found.index(c)] if c in found else 1 for c in mine])
        return expand(gx, [n if c not in found else -1 for c, n in zip(mine, xs[i].shape)])


class Linear(Fused):
    """y = x w^T + b: x (..., in), w (out, in), b (out,) -> y (..., out)."""

    def forward(self, k, x, w, b):
        y = k.matmul(x, w.T)
        return y if b is None else k.add(y, b, out=y) if y.ndim else y + b

    def gradient(self, k, gy, x, w, b):
        rows = prod(x.shape[:-1])
        rows_gy, rows_x = gy.reshape(rows, w.shape[0]), x.reshape(rows, w.shape[1])
        gx = k.matmul(gy, w) if self.needs(0) else None
        gw = k.matmul(rows_gy.T, rows_x) if self.needs(1) else None
        gb = k.sum(rows_gy, 0) if self.needs(2) else None
        return gx, gw, gb

    def definition(self, x, w, b):
        y = matmul(x, transpose(w, 0, 1))
        return y if b is None else y + b


def matmul(input, other):
    """The matrix product: of the last two dimensions, the ones before broadcast; 1-d inputs as in PyTorch."""
    for x in input, other:
        if isinstance(x, Outline):                # a rule is asking for a gradient that nobody wants
            return x
    if input.ndim == 0 or other.ndim == 0 or input.shape[-1] != other.shape[-2 if other.ndim > 1 else 0]:
        raise ValueError(f"matmul: the last dimension of {tuple(input.shape)} does not match the "
                         f"{'second to last' if other.ndim > 1 else 'first'} of {tuple(other.shape)}")
    a = unsqueeze(input, 0) if input.ndim == 1 else input
    b = unsqueeze(other, 1) if other.ndim == 1 else other
    y = MatMul()(a, b)
    y = squeeze(y, -1) if other.ndim == 1 else y
    return squeeze(y, -2 if other.ndim > 1 else -1) if input.ndim == 1 else y


def mm(input, mat2):
    """The product of two matrices."""
    return matmul(having(2, input, "mm"), having(2, mat2, "mm"))


def bmm(input, mat2):
    """The products of two batches of matrices, (N, a, b) and (N, b, c)."""
    if input.ndim == mat2.ndim == 3 and input.shape[0] != mat2.shape[0]:
        raise ValueError(f"bmm: batches of {input.shape[0]} and {mat2.shape[0]} matrices")
    return matmul(having(3, input, "bmm"), having(3, mat2, "bmm"))


def dot(input, tensor):
    """The sum of products of two vectors."""
    return matmul(having(1, input, "dot"), having(1, tensor, "dot"))


def outer(input, vec2):
    """All products of the numbers of two vectors."""
    return unsqueeze(having(1, input, "outer"), 1) * having(1, vec2, "outer")


def having(ndim, x, who):
    if x.ndim != ndim:
        raise ValueError(f"{who}: expects {ndim} dimension(s), not shape {tuple(x.shape)}")
    return x


def linear(input, weight, bias=None):
    """input weight^T + bias: (..., in), (out, in), (out,) -> (..., out)."""
    if weight.ndim != 2 or input.ndim == 0 or input.shape[-1] != weight.shape[1]:
        raise ValueError(f"linear: input of shape {tuple(input.shape)} does not end in the "
                         f"width that a weight of shape {tuple(weight.shape)} (out, in) wants: {weight.shape[-1]}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: bias of shape {tuple(bias.shape)} for a weight of shape {tuple(weight.shape)}; it is "
                         f"({weight.shape[0]},)")
    return Linear()(input, weight, bias)


def einsum(equation, *operands):
    """Einstein's summation, in NumPy's notation: einsum("bij,bjk->bik", a, b). "..." stands for any dimensions."""
    operands = operands[0] if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    inputs = inputs.split(",")
    if len(inputs) != len(operands):
        raise ValueError(f"einsum: {equation!r} names {len(inputs)} operands, {len(operands)} came")
    inputs, operands, output = without_ellipsis(equation, inputs, operands, output if arrow else None)
    if output is None:
        every = "".join(inputs)
        output = "".join(sorted({c for c in every if every.count(c) == 1}))
    sizes = {}
    for letters, x in zip(inputs, operands, strict=True):
        if len(letters) != x.ndim:
            raise ValueError(f"einsum: {letters!r} of {equation!r} has {len(letters)} letters for shape {tuple(x.shape)}")
        for c, n in zip(letters, x.shape):
            if n != 1 and sizes.setdefault(c, n) != n:
                raise ValueError(f"einsum: {c!r} of {equation!r} has size {sizes[c]} in one place and {n} in another")
    diagonals = [diagonal(letters, x) for letters, x in zip(inputs, operands)]
    return Einsum(tuple([letters for letters, _ in diagonals]), output)(*[x for _, x in diagonals])


def without_ellipsis(equation, inputs, operands, output):
    """Every "..." replaced by unused letters, as many as the dimensions it stands for; they come first."""
    counts = [x.ndim - len(letters.replace("...", "")) if "..." in letters else 0 for letters, x in zip(inputs, operands)]
    unused = [c for c in string.ascii_letters if c not in equation][:max(counts, default=0)]
    replaced = [letters.replace("...", "".join(unused[len(unused) - count:])) for letters, count in zip(inputs, counts)]
    if output is not None:
        return replaced, operands, output.replace("...", "".join(unused))
    if unused:
        every = "".join(replaced)
        rest = sorted({c for c in every if every.count(c) == 1 and c not in unused})
        return replaced, operands, "".join(unused + rest)
    return replaced, operands, None


def diagonal(letters, x):
    """A letter twice in one operand means its diagonal: "ii" becomes "i" of x[i, i]."""
    for c in sorted(set(letters)):
        while letters.count(c) > 1:
            i = letters.index(c)
            j = letters.index(c, i + 1)
            order = [d for d in range(x.ndim) if d not in (i, j)] + [i, j]
            x = permute(x, order)
            n = x.shape[-1]
            x = reshape(x, (*x.shape[:-2], n * n))[..., ::n + 1]
            letters = "".join([letters[d] for d in order[:-1]])
    return letters, x
