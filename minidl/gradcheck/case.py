"""Case: one call of a public function, which minidl and PyTorch can both make, on numbers of its own."""
import zlib
from dataclasses import dataclass

import numpy as np

import minidl
from minidl.tensor import Tensor


@dataclass(frozen=True)
class Draw:
    """An argument that is drawn afresh for every case: a random array of this kind and shape."""
    kind: str
    shape: tuple
    limit: int = 0
    constant: bool = False   # has it no gradient?

    def __call__(self, rng):
        return KINDS[self.kind](rng, self.shape, self.limit)

    def __repr__(self):
        text = f"{self.kind}{self.shape}".replace(",)", ")")
        return f"const({text})" if self.constant and self.kind not in ("ints", "mask") else text


def without_ties(rng, shape, _):
    """Numbers from -2 to 2 of which no two are near one another."""
    n = int(np.prod(shape))
    return (rng.permutation(n) + rng.uniform(-0.2, 0.2, n)).reshape(shape) * (4 / max(n, 1)) - 2


def with_zeros(rng, shape, _):
    """Normal numbers with no zero in the first row, one in the second, two in the third, one in the fourth, ..."""
    x = rng.standard_normal(shape)
    rows = x.reshape(-1, shape[-1])
    rows[1::2, 1] = 0
    rows[2::4, :2] = 0
    return x


KINDS = {
    "x": lambda rng, shape, _: rng.standard_normal(shape),
    "away": lambda rng, shape, _: rng.uniform(0.3, 1.5, shape) * rng.choice([-1, 1], shape),       # from 0
    "wide": lambda rng, shape, _: rng.uniform(-8, 8, shape),
    "huge": lambda rng, shape, _: 800 + rng.standard_normal(shape),                                # e^x overflows
    "positive": lambda rng, shape, _: rng.uniform(0.5, 2, shape),
    "unit": lambda rng, shape, _: rng.uniform(0.1, 0.9, shape),
    "probabilities": lambda rng, shape, _: rng.dirichlet(np.ones(shape[1]), shape[0]),
    "distinct": without_ties,
    "falling": lambda rng, shape, _: -np.sort(-without_ties(rng, shape, _), None).reshape(shape),
    "zeros_in": with_zeros,
    "ties": lambda rng, shape, _: rng.integers(-1, 2, shape).astype(float),
    "bits": lambda rng, shape, _: rng.integers(0, 2, shape).astype(float),
    "ints": lambda rng, shape, limit: rng.integers(0, limit, shape),
    "mask": lambda rng, shape, _: rng.random(shape) < 0.5,
}


class Case:
    """A call such as conv2d(x(2, 3, 5, 4), x(4, 3, 2, 2), stride=2).

    function : its name in minidl.ops and in torch, torch.nn.functional or torch.Tensor; or any function of tensors
    torch    : what to call there instead; None where PyTorch has nothing like it
    seeded   : it draws random numbers, so the default generator is seeded before every call
    """

    def __init__(self, function, *args, torch="the same", seeded=False, **kwargs):
        self.function, self.args, self.kwargs = function, args, kwargs
        self.torch, self.seeded = torch, seeded
        self.name = function if isinstance(function, str) else function.__name__
        words = [repr(a) for a in args] + [f"{key}={value!r}" for key, value in kwargs.items()]
        self.text = f"{self.name}({', '.join(words)})"

    def __repr__(self):
        return self.text

    def inputs(self, dtype=np.float64):
        """The arrays whose gradients are checked."""
        return [x for x, draw in self.drawn(dtype) if not draw.constant]

    def drawn(self, dtype):
        rng = np.random.default_rng(zlib.crc32(self.text.encode()))
        found = [(np.asarray(draw(rng)), draw) for draw in leaves([self.args, self.kwargs])]
        return [(x.astype(dtype) if x.dtype.kind == "f" else x, draw) for x, draw in found]

    def in_minidl(self, dtype=np.float64, device="cpu"):
        """The call as a function of the inputs, tensors on `device`."""
        f = getattr(minidl.ops, self.function) if isinstance(self.function, str) else self.function
        call = self.call(f, lambda x: Tensor(x).to(device), dtype)
        if not self.seeded:
            return call

        def seeded(*inputs):
            minidl.manual_seed(0)
            return call(*inputs)
        return seeded

    def in_torch(self, dtype=np.float64):
        """The same for torch's tensors."""
        import torch
        f = self.function if self.torch == "the same" else self.torch
        if isinstance(f, str):
            f = next(getattr(place, f) for place in (torch.nn.functional, torch, torch.Tensor) if hasattr(place, f))
        return self.call(f, torch.from_numpy, dtype)

    def call(self, f, as_tensor, dtype):
        drawn = self.drawn(dtype)

        def call(*inputs):
            inputs = iter(inputs)
            values = iter([as_tensor(x.copy()) if draw.constant else next(inputs) for x, draw in drawn])
            return f(*filled(self.args, values), **filled(self.kwargs, values))
        return call


def leaves(value):
    if isinstance(value, Draw):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from leaves(part)


def filled(value, values):
    """`value` with its draws replaced by the next of `values`."""
    if isinstance(value, Draw):
        return next(values)
    if isinstance(value, dict):
        return {key: filled(part, values) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([filled(part, values) for part in value])
    return value
