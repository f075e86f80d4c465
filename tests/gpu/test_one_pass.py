"""Expressions written down as CUDA C: the kernel of every elementwise op, forward and backward, against the reference."""
import math
import re

import numpy as np
import nvrtc
import pytest

import minidl
from minidl import op, use_kernels
from minidl.gradcheck.check import outputs, recorded_gradients
from minidl.gradcheck.table import CONVENTIONS, PROOFS, VALUES, all_cases, op_classes
from minidl.kernels import reference
from minidl.op import Elementwise
from tests.expressions import operations

EXTREME = [-np.inf, -1e4, -104, -88, -1.0, -1e-9, -0.0, 0, 1e-9, 0.5, 1, 20, 88, 1e4, np.inf, np.nan]
C_NAME = {"f": "float", "d": "double"}
ERROR = {np.dtype("f"): 1e-5, np.dtype("d"): 1e-13}


@pytest.fixture(scope="module", params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture(scope="module")
def asked(dtype):
    """What the table's elementwise ops ask kernel sets to do in one pass: pairs of an expression and its arrays."""
    found = []

    def record(expression, arrays):
        found.append((expression, [x if x is None or isinstance(x, (int, float)) else np.asarray(x) for x in arrays]))

    with pytest.MonkeyPatch.context() as patch, use_kernels("reference"), np.errstate(all="ignore"):
        patch.setattr(op, "LARGE", 0)
        patch.setattr(reference, "in_one_pass", record)
        for case in [case for _, case in all_cases()] + CONVENTIONS:
            xs = [minidl.Tensor(x, requires_grad=True) for x in case.inputs(dtype)]
            ys = outputs(case.in_minidl(dtype)(*xs))
            recorded_gradients(ys, xs, [minidl.Tensor(np.ones(y.shape, y.dtype)) for y in ys], create_graph=False)
        for case in VALUES:
            case.in_minidl(dtype)(*[minidl.Tensor(x) for x in case.inputs(dtype)])
    return found


@pytest.fixture
def together(gpu, dtype, asked, monkeypatch):
    """The source of the kernels of all that is asked."""
    return compile_together(asked, dtype, monkeypatch)


def compile_together(asked, dtype, monkeypatch):
    """All kernels in one source, and compiled at once, from which a launch then takes its own; returns the source."""
    from minidl.kernels.gpu import launch
    names = {}
    for expression, arrays in asked:
        plan = plan_of(expression, on_gpu(arrays))
        if plan:
            names.setdefault(plan.kernel.code, f"in_one_pass_{len(names)}")
    source = launch.source("one_pass") + "".join([code.replace("in_one_pass", name) for code, name in names.items()])
    module = launch.cupy.RawModule(code=source, options=(f"-DREAL={C_NAME[dtype.char]}", "--std=c++17"))

    monkeypatch.setattr(launch, "function", lambda topic, code, name, char: module.get_function(names[code]))
    return source


def on_gpu(arrays):
    import cupy
    return [cupy.asarray(x) if isinstance(x, np.ndarray) else x for x in arrays]


def plan_of(expression, arrays):
    from minidl.kernels.gpu import one_pass
    try:
        arrays = [one_pass.compact(x) if isinstance(x, one_pass.cupy.ndarray) else x for x in arrays]
        return one_pass.plan_for(expression, tuple([one_pass.layout_of(x) for x in arrays]))
    except TypeError:
        return None


def test_every_elementwise_op_is_the_same_in_one_pass(gpu, dtype, asked, together):
    done = set()
    for expression, arrays in asked:
        got = gpu.in_one_pass(expression, on_gpu(arrays))
        if got is None:
            assert left_to_cupy(expression, arrays), expression
            continue
        done.add((expression.kind.__name__, expression.wanted is None))
        with use_kernels("reference"), np.errstate(all="ignore"):
            wanted = expression(reference, *arrays)
        for a, b in zip(answers(got), answers(wanted), strict=True):
            assert_same(a, b, ERROR[dtype], str(expression))
    elementwise = {cls.__name__ for cls in op_classes() if issubclass(cls, Elementwise) and cls.number_by_number}
    assert elementwise & set(PROOFS) <= {name for name, forward in done if forward}
    assert elementwise & set(PROOFS) <= {name for name, forward in done if not forward}


def answers(y):
    return y if isinstance(y, list) else [y]


def assert_same(a, b, error, message=""):
    """Is a, on the GPU, b, which may be a number, or smaller where it broadcasts?"""
    import cupy
    if b is None:
        assert a is None, message
        return
    assert a.dtype == np.asarray(b).dtype, message
    np.testing.assert_allclose(cupy.asnumpy(a), np.broadcast_to(b, a.shape), error, error, err_msg=message)


def left_to_cupy(expression, arrays):
    """Integers, truth values alone, and expressions that cannot be told from one another are not computed in one pass."""
    kinds = {x.dtype.kind for x in arrays if isinstance(x, np.ndarray)}
    return kinds - {"f", "b"} or "f" not in kinds or isinstance(dict(expression.settings).get("settings"), dict)


def test_all_kernels_are_valid_cuda_and_keep_their_numbers_in_registers(dtype, together, compiler):
    arch = {"f": "sm_75", "d": "sm_90"}[dtype.char]      # each takes seconds
    _, log = nvrtc.compile(together, arch, (f"-DREAL={C_NAME[dtype.char]}", "--ptxas-options=-v"))
    assert "warning" not in log
    assert set(re.findall(r"(\d+) bytes spill", log)) == {"0"}


def test_kernels_of_float32_compute_nothing_in_double(dtype, together, compiler):
    """But for sine and cosine, which CUDA has compute the remainders of huge arguments so, and for the power."""
    kernels = re.split(r'(?=extern "C")', together)
    plain = [code for code in kernels if not re.search(r"\b(sin|cos|pow)\(", code)]
    assert len(plain) > len(kernels) - 20
    ptx, _ = nvrtc.compile("".join(plain), "compute_80", ("-DREAL=float",))
    assert b".f32" in ptx and (dtype == np.float64 or b".f64" not in ptx)


def test_a_chain_of_ops_on_the_gpu_has_the_cpus_gradients(gpu, rng, monkeypatch):
    monkeypatch.setattr(op, "LARGE", 0)
    arrays = [rng.standard_normal(shape) for shape in [(2, 3, 4, 5), (3, 1, 1), (2, 3, 4, 5)]]
    gradients = {}
    for device in "cpu", "cuda":
        x, w, t = (minidl.tensor(a, requires_grad=True, device=device) for a in arrays)
        y = minidl.ops.gelu(x * w) + minidl.ops.where(t > 0, t, 0.5 * t)
        minidl.ops.smooth_l1_loss(y, t.detach()).backward()
        gradients[device] = [z.grad.cpu().numpy() for z in (x, w, t)]
    for a, b in zip(gradients["cuda"], gradients["cpu"]):
        np.testing.assert_allclose(a, b, 1e-12, 1e-15)


# ---- what an expression may be, and how arrays may lie


def layouts(rng, dtype):
    """Pairs of arrays that lie in many ways; each broadcasts to the same shape as the other."""
    a, b = rng.standard_normal((2, 2, 3, 5, 11)).astype(dtype)
    return {
        "alike": (a, b),
        "one number": (a, b[:1, :1, :1, :1]),
        "a number of Python's": (a, 0.75),
        "of no dimension": (b[0, 0, 0, :1].reshape(()), a),
        "both of no dimension": (b[0, 0, 0, :1].reshape(()), a[0, 0, 0, :1].reshape(())),
        "channels": (a, b[0, :, :1, :1]),
        "images": (b[:, :1, :1, :1], a),
        "rows": (a, b[0, 0]),
        "columns": (a, b[0, 0, :, :1]),
        "a number and a row": (a[:, :, :1, :1], b[:1, :1]),
        "first and third against second and fourth": (a[:, :1, :, :1], b[:1, :, :1]),
        "stretched": (np.broadcast_to(a[:, :, :1, :1], a.shape), b),
        "stretched and alone": (np.broadcast_to(a[:1, :1], a.shape), 2.0),
        "rows with gaps": (a[:, :, 1:4], b[:, :, ::2]),
        "transposed": (a[0, 0], np.ascontiguousarray(b[0, 0].T).T),
        "backwards": (a[0, 0], b[0, 0][:, ::-1]),
        "nothing": (a[:, :0], b[:, :0]),
        "nothing and a row": (a[:, :0], b[0, 0]),
    }


def test_arrays_may_lie_in_many_ways(gpu, dtype, rng, monkeypatch):
    pairs = layouts(rng, dtype)
    compile_together([(operations, pair) for pair in pairs.values()], dtype, monkeypatch)
    for name, pair in pairs.items():
        shape = np.broadcast(*pair).shape
        with np.errstate(all="ignore"):
            wanted = operations(reference, *[np.asarray(x, dtype) for x in pair])
        for y, expected in zip(gpu.in_one_pass(operations, on_gpu(pair)), wanted, strict=True):
            assert y.shape == shape and y.flags.c_contiguous, name
            assert_same(y, expected.astype(dtype), ERROR[dtype], name)


def functions(k, x):
    """All functions of one number that ops use, with what none of them gives at infinities and NaN."""
    names = "exp expm1 log log1p sqrt rsqrt sin cos tanh erf sigmoid softplus abs sign square floor ceil round relu"
    return [getattr(k, name)(x) for name in names.split()] + [k.isnan(x), k.isinf(x), k.isfinite(x), k.logical_not(x)]


def functions_of_two(k, a, b):
    names = "maximum minimum remainder floor_divide power equal not_equal less less_equal greater greater_equal"
    return [getattr(k, name)(a, b) for name in names.split()] + [k.where(k.isnan(a), b, a), k.clip(a, -1, 2),
                                                                 k.logical_and(a, b), k.logical_or(a, b)]


def test_functions_are_right_at_the_ends_too(gpu, dtype, rng):
    x = np.concatenate([EXTREME, rng.standard_normal(99), 10 * rng.standard_normal(99), 1e-3 * rng.standard_normal(99)])
    pairs = [x.reshape(-1).astype(dtype) for x in np.meshgrid(EXTREME, EXTREME)]
    with np.errstate(all="ignore"):
        single, double = functions(reference, x.astype(dtype)), functions_of_two(reference, *pairs)
    for y, wanted in zip(gpu.in_one_pass(functions, on_gpu([x.astype(dtype)])), single, strict=True):
        assert_same(y, wanted, ERROR[dtype])
    for y, wanted in zip(gpu.in_one_pass(functions_of_two, on_gpu(pairs)), double, strict=True):
        assert_same(y, wanted, ERROR[dtype])


def powers(k, x):
    return [x ** power for power in (0, 1, 2, 3, 4, 5, -1, -2, 0.5, 1.5, -0.5, -1.5, 0.3, 65)]


def test_powers(gpu, dtype, rng):
    x = rng.uniform(0.5, 2, 300).astype(dtype)
    for y, wanted in zip(gpu.in_one_pass(powers, on_gpu([x])), powers(reference, x), strict=True):
        np.testing.assert_allclose(y.get(), wanted, 10 * ERROR[dtype])


def test_several_answers_are_computed_at_once_and_one_that_was_given_is_itself(gpu):
    import cupy
    a, b = cupy.arange(400.0), cupy.ones(400)
    y, same, nothing, product, kept = gpu.in_one_pass(lambda k, a, b, c: [a + b, b, None, a * b * c, c], [a, b, 3])
    assert same is b and nothing is None and kept == 3
    np.testing.assert_array_equal(y.get(), np.arange(400) + 1)
    np.testing.assert_array_equal(product.get(), 3 * np.arange(400))
    copy = gpu.in_one_pass(lambda k, a: a, [a])
    np.testing.assert_array_equal(copy.get(), np.arange(400))
    assert not cupy.may_share_memory(copy, a)


def test_float16_is_computed_in_float32(gpu):
    import cupy
    x = np.linspace(-3, 3, 300).astype(np.float16)
    y = gpu.in_one_pass(lambda k, x, mask: k.where(mask, x * 3000 * x / 3000, 0.0), [cupy.asarray(x), cupy.asarray(x > 0)])
    np.testing.assert_array_equal(y.get(), np.where(x > 0, (x.astype("f") ** 2).astype(np.float16), 0))
    assert y.dtype == np.float16


def branches(k, x):
    return x if x > 0 else -x


class Unhashable:
    __hash__ = None

    def __call__(self, k, x):
        return x


@pytest.mark.parametrize("expression", [
    branches, Unhashable(), lambda k, x: x * math.floor(x), lambda k, x: np.exp(x), lambda k, x: np.where(x > 0, x, 0),
    lambda k, x: x * x.sum(), lambda k, x: x[0] * x, lambda k, x: k.cumsum(x, 0), lambda k, x: 5.0, lambda k, x: x + "a",
    lambda k, x: x + np.arange(40), lambda k, x: (x > 0) + (x > 1), lambda k, x: -(x > 0), lambda k, x: x & (x > 1),
    lambda k, x: k.where(x > 0, x > 1, 2.0), lambda k, x: x * math.nan, lambda k, x: x.astype("int64")], ids=range(17))
def test_what_is_not_number_by_number_is_left_to_cupy(gpu, expression):
    import cupy
    assert gpu.in_one_pass(expression, [cupy.arange(1.0, 41)]) is None


def test_arrays_that_no_kernel_takes_are_left_to_cupy(gpu):
    import cupy
    x = cupy.ones(40)
    for other in cupy.ones(40, "f"), cupy.ones(40, int), np.ones(40), [1.0] * 40:
        assert gpu.in_one_pass(plus, [x, other]) is None
    assert gpu.in_one_pass(plus, [2.0, 3.0]) is gpu.in_one_pass(plus, [x > 0, x > 0]) is None


def plus(k, a, b):
    return a + b


def test_each_number_is_read_once_and_written_once(gpu, monkeypatch):
    """Of 32 bytes, which memory gives at a time; a warp whose threads read the same number has it once."""
    import cudasim
    import cupy
    if not hasattr(cupy, "watching"):
        pytest.skip("a GPU does not tell what it reads")
    with cudasim.recording() as launches:
        gpu.in_one_pass(lambda k, a, b: a * b + a / b, [cupy.ones(1024, "f"), cupy.ones(1024, "f")])
        gpu.in_one_pass(plus, [cupy.ones((4, 8, 64), "f"), cupy.ones((8, 1), "f")])
    assert [launch.loaded for launch in launches] == [2 * 4096, 4 * 2048 + 64 * 32]      # by 64 warps
    assert [launch.stored for launch in launches] == [4096, 4 * 2048]


def test_one_kernel_serves_arrays_of_all_sizes(gpu):
    import cupy

    from minidl.kernels.gpu import one_pass
    for N, C, D in (2, 3, 5), (4, 2, 7):
        a, b = cupy.ones((N, C, D)), cupy.ones((C, 1))
        np.testing.assert_array_equal(gpu.in_one_pass(plus, [a, b]).get(), np.full((N, C, D), 2.0))
    kinds = one_pass.kernel_for(plus, (("d", (True, True, True)), ("d", (False, True, False))), "d")
    assert one_pass.plan_for(plus, (((2, 3, 5), "d"), ((3, 1), "d"))).kernel is kinds
    assert one_pass.plan_for(plus, (((9, 2, 4), "d"), ((2, 1), "d"))).kernel is kinds


def test_a_result_with_more_numbers_than_32_bits_count_is_left_to_cupy_where_arrays_are_broadcast(gpu):
    from minidl.kernels.gpu import one_pass
    shape = (2 ** 16, 2 ** 15, 2)
    assert one_pass.plan_for(plus, ((shape, "f"), (shape, "f"))) is not None
    assert one_pass.plan_for(plus, ((shape, "f"), ((2,), "f"))) is None
    assert one_pass.plan_for(plus, (((2 ** 16, 2 ** 15), "f"), ((2 ** 15,), "f"))) is not None
