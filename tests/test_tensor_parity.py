"""Every method of Tensor against PyTorch's of the same name: values, dtypes, shapes and gradients."""
import re

import numpy as np
import pytest

import minidl

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.parity

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4, 2))
A, B = RNG.standard_normal((3, 4)), RNG.standard_normal((4, 3))
P = RNG.uniform(0.2, 2, (3, 4))
TIES = np.array([[1.0, 2, 2, 0], [3, 3, 3, -1]])
INTS, BOOLS = RNG.integers(-3, 4, (3, 4)), RNG.random((3, 4)) < 0.5
ONE, VECTOR = np.array(1.5), RNG.standard_normal(4)
INDEX = RNG.integers(0, 3, (2, 4))


def same(ours, theirs):
    """Same shape, dtype and numbers; tuples alike."""
    if isinstance(theirs, tuple):
        assert isinstance(ours, tuple) and len(ours) == len(theirs)
        for mine, yours in zip(ours, theirs):
            same(mine, yours)
    elif torch.is_tensor(theirs):
        numbers = theirs.detach().numpy()
        assert ours.shape == numbers.shape
        assert ours.dtype == numbers.dtype
        np.testing.assert_allclose(ours.detach().numpy(), numbers, rtol=1e-5, atol=1e-6)
    else:
        assert ours == theirs and type(ours) is type(theirs)


def floats(values):
    return [v for v in values if v is not None and v.requires_grad]


def compare(call, *arrays, grad=True):
    """call(*tensors) for both libraries; then the gradients, from a random one of the result."""
    mine = [minidl.tensor(a, requires_grad=grad and a.dtype.kind == "f") for a in arrays]
    yours = [torch.tensor(a, requires_grad=grad and a.dtype.kind == "f") for a in arrays]
    ours, theirs = call(*mine), call(*yours)
    same(ours, theirs)
    outs = theirs if isinstance(theirs, tuple) else (theirs,)
    ours = ours if isinstance(theirs, tuple) else (ours,)
    pairs = [(y, z) for y, z in zip(ours, outs) if torch.is_tensor(z) and z.requires_grad]
    for y, z in zip(ours, outs):
        assert getattr(y, "requires_grad", False) == getattr(z, "requires_grad", False)
    if not pairs:
        return
    gys = [np.random.default_rng(1).standard_normal(tuple(z.shape)) for _, z in pairs]
    for (y, z), g in zip(pairs, gys):
        y.backward(minidl.tensor(g, dtype=y.dtype), retain_graph=True)
        z.backward(torch.tensor(g, dtype=z.dtype), retain_graph=True)
    for x, z in zip(mine, yours):
        assert (x.grad is None) == (z.grad is None)
        if z.grad is not None:
            same(x.grad, z.grad)


CALLS = [
    ("x.add(y)", X, X[0]), ("x.add(y, alpha=3)", A, VECTOR), ("x.add(2)", INTS),
    ("x.sub(y, alpha=0.5)", A, VECTOR), ("x.sub(2.5)", INTS), ("x.mul(y)", A, VECTOR),
    ("x.mul(y)", A, BOOLS), ("x.mul(2)", BOOLS), ("x.div(y)", A, P), ("x.div(2)", INTS),
    ("x.div(y)", INTS, INTS * 0 + 2), ("x.neg()", A), ("x.neg()", INTS), ("x.pow(3)", A), ("x.pow(0.5)", P),
    ("x.pow(y)", P, A), ("x.pow(2)", INTS), ("x.pow(0)", A), ("x.pow(0.5)", np.abs(INTS)),
    ("x.pow(-1.0)", P), ("x.matmul(y)", A, B), ("x.matmul(y)", X, B[:2]), ("x.matmul(y)", VECTOR, VECTOR),
    ("x.matmul(y)", A, VECTOR), ("x.matmul(y)", VECTOR, B), ("x.matmul(y)", X, X[0].T),
    ("x.matmul(y)", INTS, INTS.T), ("x.mm(y)", A, B), ("x.bmm(y)", X, X.swapaxes(1, 2)),
    ("x.dot(y)", VECTOR, VECTOR), ("x.exp()", A), ("x.exp()", INTS), ("x.log()", P), ("x.sqrt()", P),
    ("x.sqrt()", INTS * INTS), ("x.rsqrt()", P), ("x.sin()", A), ("x.sin()", BOOLS), ("x.cos()", A),
    ("x.tanh()", A * 3), ("x.sigmoid()", A * 50), ("x.sigmoid()", INTS), ("x.relu()", A),
    ("x.relu()", TIES - 2), ("x.relu()", INTS), ("x.abs()", TIES - 2), ("x.abs()", INTS),
    ("x.detach().sign()", TIES - 2), ("x.sign()", INTS), ("x.square()", A), ("x.square()", INTS),
    ("x.clamp(0, 2)", TIES), ("x.clamp(min=0.5)", A), ("x.clamp(max=1)", INTS), ("x.clamp(y)", A, VECTOR),
    ("x.clamp(min=0.5)", INTS), ("x.maximum(y)", TIES, TIES[::-1].copy()),
    ("x.minimum(y)", TIES, TIES[::-1].copy()), ("x.where(y > 0, x * 2)", A, A),
    ("x.where(z, y)", A, VECTOR, BOOLS), ("x.softmax(1)", X), ("x.softmax(-1)", VECTOR),
    ("x.log_softmax(0)", X), ("x.eq(y)", TIES, TIES[0]), ("x.eq(2)", INTS), ("x.ne(2)", TIES),
    ("x.lt(2)", TIES), ("x.le(2)", TIES), ("x.gt(2)", TIES), ("x.ge(2)", TIES),
    ("x.isnan()", np.array([1, np.nan, np.inf])), ("x.isinf()", np.array([1, np.nan, -np.inf])),
    ("x.isfinite()", np.array([1, np.nan, np.inf])), ("x.isfinite()", INTS), ("x.sum()", X),
    ("x.sum(1)", X), ("x.sum((0, -1), keepdim=True)", X), ("x.sum()", INTS), ("x.sum(0)", BOOLS),
    ("x.sum(dtype=None)", INTS.astype(np.int8)), ("x.sum()", ONE), ("x.sum(())", X), ("x.mean()", X),
    ("x.mean((0, 2))", X), ("x.mean(-1, keepdim=True)", X), ("x.var()", X), ("x.var(1)", X),
    ("x.var((0, 2), correction=0, keepdim=True)", X), ("x.var(0, correction=2)", X),
    ("x.var(0, unbiased=False)", X), ("x.var(False)", X), ("x.std()", X), ("x.std(1, correction=0)", X),
    ("x.std(1, unbiased=False)", X), ("x.prod()", A), ("x.prod(1)", X), ("x.prod(0, keepdim=True)", TIES),
    ("x.prod()", INTS), ("x.prod(1)", BOOLS), ("x.max()", TIES), ("x.max(1)", TIES),
    ("x.max(-1, keepdim=True)", X), ("x.max(y)", TIES, TIES[0]), ("x.max()", INTS), ("x.max(0)", INTS),
    ("x.min()", TIES), ("x.min(1)", TIES), ("x.min(y)", TIES, TIES[0]), ("x.amax()", TIES),
    ("x.amax(1)", TIES), ("x.amax((0, 2), keepdim=True)", X), ("x.amin()", TIES), ("x.amin((1, 2))", X),
    ("x.argmax()", X), ("x.argmax(1)", X), ("x.argmax(0, keepdim=True)", X), ("x.argmin()", X),
    ("x.argmin(-1)", X), ("x.all()", BOOLS), ("x.all(1)", BOOLS), ("x.all(0, keepdim=True)", INTS),
    ("x.any()", BOOLS), ("x.any(1)", TIES), ("x.logsumexp(1)", X * 100),
    ("x.logsumexp((0, 2), keepdim=True)", X), ("x.cumsum(1)", X), ("x.cumsum(0)", INTS),
    ("x.cumsum(0)", BOOLS), ("x.cumprod(1)", X), ("x.cumprod(1)", TIES), ("x.cumprod(0)", INTS),
    ("x.norm()", X), ("x.norm(2, 1)", X), ("x.norm(1, (0, 2), keepdim=True)", X),
    ('x.norm(float("inf"))', X), ("x.norm(3)", X), ("tuple(x.topk(2))", X[:, :, 0]),
    ("tuple(x.topk(2, 0, largest=False))", X), ("tuple(x.sort())", X),
    ("tuple(x.sort(1, descending=True))", X), ("tuple(x.sort(stable=True))", TIES),
    ("tuple(x.sort(-1, True))", A), ("x.argsort()", X), ("x.argsort(0, descending=True)", X),
    ("x.reshape(6, -1)", X), ("x.reshape((2, 12))", X), ("x.reshape(())", ONE[None]), ("x.view(6, 4)", X),
    ("x.view(-1)", X), ("x.view((4, 6))", X), ("x.permute(2, 0, 1)", X), ("x.permute((1, 0, -1))", X),
    ("x.expand(5, -1, 4)", VECTOR[None]), ("x.expand((2, 4))", VECTOR), ("x.expand_as(y)", VECTOR, A),
    ("x.repeat(2, 3)", VECTOR), ("x.repeat(2, 1, 3)", X), ("x.repeat((2, 2))", A), ("x.flip(0)", X),
    ("x.flip(0, -1)", X), ("x.flip((1,))", X), ("x.transpose(0, 2)", X), ("x.transpose(-1, -2)", X),
    ("x.swapaxes(0, -1)", X),
    ("x.t()", A), ("x.t()", VECTOR), ("x.squeeze()", X[:, :1, :1]), ("x.squeeze(1)", X[:, :1]),
    ("x.squeeze(0)", X), ("x.squeeze((1, 2))", X[:, :1, :1]), ("x.unsqueeze(0)", X), ("x.unsqueeze(-1)", X),
    ("x.unsqueeze(-4)", X), ("x.flatten()", X), ("x.flatten(1)", X), ("x.flatten(0, 1)", X),
    ("x.flatten()", ONE), ("x.unflatten(1, (2, -1))", X), ("x.narrow(1, 1, 2)", X),
    ("x.narrow(-1, -1, 1)", X), ("x.split(3, 1)", X), ("x.split([1, 2])", X), ("x.chunk(3, 1)", X),
    ("x.chunk(2)", X), ("x.unbind()", X), ("x.unbind(-1)", X),
    ("x.index_select(1, y)", X, np.array([0, 2, 2])), ("x.gather(0, y)", A, INDEX),
    ("x.gather(-1, y)", A, INDEX[:, :2]), ("x.masked_fill(y, -1.5)", A, BOOLS),
    ("x.masked_fill(y, 7)", INTS, BOOLS), ("x.t().contiguous()", A), ("x.clone()", A), ("x.T", A),
    ("x.mT", X), ('x.to("cpu")', A), ("x.type_as(y)", A, A.astype(np.float32)), ("x.type_as(y)", INTS, A),
    ("x.float()", A), ("x.float()", BOOLS), ("x.double()", INTS), ("x.half()", A), ("x.int()", A),
    ("x.long()", A * 3), ("x.bool()", TIES), ("x.item()", ONE), ("x.item()", INTS[:1, :1]),
    ("x.item()", BOOLS[:1, 0]), ("x.tolist()", X), ("x.tolist()", INTS), ("x.size(1)", X),
    ("tuple(x.size())", X), ("x.dim()", X), ("x.numel()", X), ("x.element_size()", X),
    ("x.detach().floor()", A * 3), ("x.detach().ceil()", A * 3), ("x.detach().round()", TIES + 0.5),
    ("x.round()", INTS), ("x.logical_and(y)", BOOLS, BOOLS[::-1].copy()), ("x.logical_or(y)", INTS, BOOLS),
    ("x.logical_not()", TIES), ("x.remainder(y)", A, P), ("x.remainder(3)", INTS), ("x.floor_divide(2)", INTS),
    ("x.outer(y)", VECTOR, VECTOR[:3]), ("x.expm1()", A), ("x.log1p()", P), ("x.erf()", A),
    ("x.scatter_add(0, z, y)", A, A[:2] * 2, INDEX), ("x.is_floating_point()", X), ("x.is_floating_point()", INTS),
    ("x.detach()", A),
]
OPERATORS = [f"x {sign} y" for sign in "+ - * / % ** == != < <= > >=".split()]
CALLS += [(call, P, P[1] + 0.1) for call in OPERATORS]
CALLS += [(call.replace("y", n), x) for call in OPERATORS for n in ("2", "2.5") for x in (P, INTS)]
CALLS += [(call.replace("x", "3").replace("y", "x"), P) for call in OPERATORS if "%" not in call]
CALLS += [(call, INTS, INTS.T[0, 0] * 0 + 2) for call in OPERATORS]
CALLS += [("x.detach() // y.detach()", P, P[1]), ("x.detach() // 0.7", P), ("3 // x.detach()", P),
          ("3 % x.detach()", P), ("x // 2", INTS)]
CALLS += [("-x", A), ("-x", INTS), ("abs(x)", A), ("~x", BOOLS), ("~x", INTS), ("x @ y", A, B)]
CALLS += [(call, a, b) for call in ("x & y", "x | y", "x ^ y")
          for a, b in [(BOOLS, BOOLS[::-1].copy()), (INTS, INTS[::-1].copy()), (INTS, BOOLS)]]
# These are tested in test_graph.py, test_tensor.py and tests/gpu.
HERE_ONLY = set("""alias cuda cpu pin_memory is_pinned array op node version view_at hooks retains_grad name
    backward retain_grad register_hook zero_grad requires_grad_ numpy grad data
    shape ndim dtype is_leaf device itemsize nbytes requires_grad""".split())


@pytest.mark.parametrize("call, arrays", [pytest.param(call, arrays, id=call) for call, *arrays in CALLS])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_method_does_what_pytorchs_does(call, arrays, dtype):
    f = eval(f"lambda {', '.join('xyz'[:len(arrays)])}: {call}")
    compare(f, *[a.astype(dtype) if a.dtype == np.float64 else a for a in arrays])


def test_every_method_is_compared():
    public = {name for name in dir(minidl.Tensor) if not name.startswith("_")}
    compared = {name for call, *_ in CALLS for name in re.findall(r"\.(\w+)", call)}
    in_place = {name for name in public if name.endswith("_")}
    assert public - compared - HERE_ONLY - in_place == set()


def test_every_function_that_is_a_method_there_is_one_here():
    operators = {"bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not"}
    elsewhere = {"prelu", "unfold"}                                    # in nn.functional, as everybody writes it
    functions = {name for name, f in vars(minidl.ops).items() if getattr(f, "__module__", "").startswith("minidl.ops")}
    there = {name for name in functions if hasattr(torch.Tensor, name)}
    assert there - set(dir(minidl.Tensor)) == operators | elsewhere


def test_every_method_has_a_name_of_pytorchs():
    ours = {"array", "op", "node", "version", "view_at", "hooks", "alias", "zero_grad"}
    public = {name for name in dir(minidl.Tensor) if not name.startswith("_")}
    assert {name for name in public if not hasattr(torch.Tensor, name)} == ours
