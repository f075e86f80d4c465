"""The simulator of CUDA kernels runs what is right, and finds what is wrong."""
import os
import shutil
import subprocess
import sys

import cudasim
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(not (os.environ.get("CXX") or shutil.which("g++")), reason="there is no g++")

i32 = np.int32
SUMS = """
// y[block] = the sum of the block's numbers of x.
extern "C" __global__ void sums(const REAL* __restrict__ x, REAL* __restrict__ y)
{
    __shared__ REAL part[64];
    int t = threadIdx.x;
    part[t] = x[blockIdx.x * 64 + t];
    __syncthreads();
    for (int half = 32; half > 0; half /= 2) {
        if (t < half) part[t] += part[t + half];
        __syncthreads();
    }
    if (t == 0) y[blockIdx.x] = part[0];
}"""


def kernel(code, name=None, real="float"):
    module = cudasim.Module(code, (f"-DREAL={real}",))
    return module.get_function(name or module.names[0])


def source(body, parameters="REAL* x, int n"):
    return f'extern "C" __global__ void one({parameters})\n{{\n    int t = threadIdx.x, b = blockIdx.x;\n    {body}\n}}'


def run(body, x, n=0, grid=1, block=32, shared=0, checked=True):
    """x, after a kernel of this body has run."""
    with cudasim.using(checked=checked):
        kernel(source(body))((grid,), (block,), (x, i32(n)), shared_mem=shared)
    return x


def zeros(n=64):
    return np.zeros(n, np.float32)


@pytest.fixture(params=cudasim.ORDERS)
def order(request):
    with cudasim.using(order=request.param):
        yield request.param


@pytest.fixture(params=["fast", "checked"])
def build(request):
    with cudasim.using(checked=request.param == "checked"):
        yield request.param


# What is right

@pytest.mark.parametrize("real", ["float", "double"])
def test_a_tree_of_sums(order, build, real):
    x = np.random.default_rng(0).integers(-9, 9, 192).astype(real if real == "double" else "float32")
    y = np.full(3, np.nan, x.dtype)
    kernel(SUMS, real=real)((3,), (64,), (x, y))
    np.testing.assert_array_equal(y, x.reshape(3, 64).sum(1))


def test_threads_and_blocks_have_their_indices_along_three_axes(order, build):
    code = """
    extern "C" __global__ void where(int* __restrict__ x)
    {
        int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
        int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
        int n = blockDim.x * blockDim.y * blockDim.z;
        x[block * n + thread] = ((threadIdx.x * 10 + threadIdx.y) * 10 + threadIdx.z) * 1000
                              + (blockIdx.x * 10 + blockIdx.y) * 10 + blockIdx.z;
    }"""
    x = np.full((4, 3, 2, 5, 3, 2), -1, i32)                       # (grid z, y, x, block z, y, x)
    kernel(code)((2, 3, 4), (2, 3, 5), (x,))
    bz, by, bx, tz, ty, tx = np.indices(x.shape)
    np.testing.assert_array_equal(x, ((tx * 10 + ty) * 10 + tz) * 1000 + (bx * 10 + by) * 10 + bz)


@pytest.mark.parametrize("shuffle, source_of", [
    ("__shfl_sync(0xffffffffu, v, 5)", lambda lane: 0 * lane + 5),
    ("__shfl_sync(0xffffffffu, v, t + 1)", lambda lane: (lane + 1) % 32),
    ("__shfl_xor_sync(0xffffffffu, v, 6)", lambda lane: lane ^ 6),
    ("__shfl_down_sync(0xffffffffu, v, 4)", lambda lane: np.where(lane + 4 < 32, lane + 4, lane)),
    ("__shfl_up_sync(0xffffffffu, v, 3)", lambda lane: np.where(lane >= 3, lane - 3, lane)),
])
def test_shuffles(order, build, shuffle, source_of):
    x = np.arange(64, dtype="float32")
    lanes = np.arange(32)
    expected = np.concatenate([source_of(lanes), 32 + source_of(lanes)])
    run(f"REAL v = x[t]; v = {shuffle}; v = v + 0; x[t] = v;", x, block=64, checked=build == "checked")
    np.testing.assert_array_equal(x, expected)


def test_shuffles_follow_each_other_without_mixing(order, build):
    x = np.arange(32, dtype="float32")
    run("REAL v = x[t]; for (int i = 16; i > 0; i /= 2) v += __shfl_xor_sync(0xffffffffu, v, i); x[t] = v;", x,
        checked=build == "checked")
    np.testing.assert_array_equal(x, np.full(32, 31 * 16))


def test_atomics_of_all_threads_and_blocks_count(order, build):
    code = """
    extern "C" __global__ void count(REAL* sum, int* most, int* least, unsigned* last)
    {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        atomicAdd(&sum[0], (REAL)1);
        atomicMax(&most[0], i);
        atomicMin(&least[0], 5 - i);
        atomicExch(&last[0], 7u);
        if (i == 3) atomicCAS(&last[1], 2u, 9u);
    }"""
    sum_, most, least, last = np.zeros(1, "float32"), np.zeros(1, i32), np.zeros(1, i32), np.array([0, 2], np.uint32)
    kernel(code)((3,), (40,), (sum_, most, least, last))
    assert (sum_[0], most[0], least[0], *last) == (120, 119, 5 - 119, 7, 9)


def test_dynamic_shared_memory_has_the_size_of_the_launch(order, build):
    body = "extern __shared__ REAL row[]; row[n - 1 - t] = x[t]; __syncthreads(); x[t] = row[t];"
    x = run(body, np.arange(40, dtype="float32"), n=40, block=40, shared=160, checked=build == "checked")
    np.testing.assert_array_equal(x, np.arange(40)[::-1])
    with pytest.raises(RuntimeError, match="shared"):
        run(body, np.arange(40, dtype="float32"), n=40, block=40, shared=156, checked=build == "checked")


def test_a_null_pointer_is_passed_as_zero(build):
    code = source("x[t] = w ? w[t] : (REAL)5;", "REAL* x, const REAL* w")
    x = zeros(4)
    kernel(code)((1,), (4,), (x, np.uint64(0)))
    assert x.tolist() == [5, 5, 5, 5]
    kernel(code)((1,), (4,), (x, np.arange(4, dtype="float32")))
    assert x.tolist() == [0, 1, 2, 3]


def test_a_kernel_without_barriers_and_one_that_some_threads_leave_early(order, build):
    x = run("if (t >= 20) return; __syncwarp(); x[t] = t;", zeros(32), checked=build == "checked")
    np.testing.assert_array_equal(x[:20], np.arange(20))


# What is wrong

@pytest.mark.parametrize("gone", [1, 2])
def test_a_missing_barrier_changes_a_result_in_one_of_the_orders_and_is_an_error_in_any(gone):
    parts = SUMS.split("__syncthreads();")
    broken = "__syncthreads();".join(parts[:gone]) + "__syncthreads();".join(["", *parts[gone:]])[len("__syncthreads();"):]
    x = np.arange(64, dtype="float32")
    found = []
    for order in cudasim.ORDERS:
        y = np.zeros(1, "float32")
        with cudasim.using(order=order):
            kernel(broken)((1,), (64,), (x, y))
            found.append(y[0])
        with cudasim.using(order=order, checked=True), pytest.raises(RuntimeError, match="a race: thread|not written"):
            kernel(broken)((1,), (64,), (x, y))
    assert any([value != x.sum() for value in found])


def test_a_barrier_that_some_threads_miss_is_an_error(order, build):
    with pytest.raises(RuntimeError, match="barrier divergence.*has finished"):
        run("if (t < 20) __syncthreads(); x[t] = 0;", zeros(), checked=build == "checked")
    with pytest.raises(RuntimeError, match="barrier divergence"):
        run("if (t < 20) __syncthreads();\nelse __syncthreads();", zeros(), checked=build == "checked")


def test_a_shuffle_with_a_lane_that_takes_no_part_is_an_error(order, build):
    with pytest.raises(RuntimeError, match="which does not take part"):
        run("if (t < 20) x[t] = __shfl_xor_sync(0xffffffffu, t, 16);", zeros(), checked=build == "checked")


def test_memory_that_nobody_has_written(order):
    body = "__shared__ REAL a[32]; if (t != 3) a[t] = 1; __syncthreads(); x[t] = a[31 - t];"
    assert np.isnan(run(body, zeros(32), checked=False)[28])
    with pytest.raises(RuntimeError, match="reads what its block has not written, number 3 of shared array a"):
        run(body, zeros(32))
    import strictcupy
    x = strictcupy.empty(32, "float32")
    with pytest.raises(RuntimeError, match="reads what nobody has written, number 0 of argument 0"):
        run("if (t == 0) x[1] = x[0] + 1;", x._sim_buffer)


def test_an_access_outside_of_an_array(order):
    who = r"one: kernel.cu:4: thread \(31, 0, 0\) of block \(0, 0, 0\)"
    with pytest.raises(RuntimeError, match=f"{who} reads outside, number 32 of argument 0"):
        run("if (t == 31) x[t] = x[t + 1];", zeros(32))
    with pytest.raises(RuntimeError, match="writes outside, number -1 of argument 0"):
        run("if (t == 0) x[t - 1] = 0;", zeros(32))
    with pytest.raises(RuntimeError, match="goes outside of a dimension, with index 4 of shared array a"):
        run("__shared__ REAL a[3][4]; if (t < 5) a[1][t] = 0;", zeros(32))
    with pytest.raises(RuntimeError, match="writes outside, number 5 of shared array of dynamic size"):
        run("extern __shared__ REAL row[]; if (t == 5) row[t] = 0;", zeros(32), shared=20)
    with pytest.raises(RuntimeError, match="null pointer"):
        with cudasim.using(checked=True):
            kernel(source("x[t] = 0;"))((1,), (1,), (np.uint64(0), i32(0)))


@pytest.mark.parametrize("body", [
    "x[0] = t;",                                                  # all write
    "x[t] = 0; if (t == 0) x[1] = x[2];",                         # one reads what another writes
    "REAL v = x[(t + 1) % 32]; x[t] = v;",                        # some write what others have read
    "x[t % 32] = 0; __syncwarp(); REAL v = x[(t + 1) % 32];",     # another warp's __syncwarp is no barrier for it
    "x[t % 16] += 1;",
    "atomicAdd(&x[0], 1); if (t == 3) x[0] = 0;",                 # one of them is not atomic
])
def test_a_race_within_a_block(order, body):
    with pytest.raises(RuntimeError, match="a race: thread"):
        run(body, zeros(), block=64)


@pytest.mark.parametrize("body", [
    "x[t] = 0; __syncthreads(); REAL v = x[(t + 1) % 64]; __syncthreads(); x[t] = v;",
    "x[t] = 0; __syncwarp(); REAL v = x[t ^ 1]; __syncwarp(); x[t] = v;",
    "atomicAdd(&x[0], 1);",
    "x[t] = x[t] + 1;",
])
def test_no_race_within_a_block(order, body):
    run(body, zeros(), block=64)


def test_a_race_between_blocks_although_they_run_one_after_another(order):
    for body in ("x[t] = b;", "if (b == 0) x[t] = 1; else x[32 + t] = x[t];",
                 "if (t == 0) { REAL v = x[b]; x[(b + 1) % 3] = v; }"):
        with pytest.raises(RuntimeError, match="a race between blocks"):
            run(body, zeros(), grid=3)
    run("REAL v = x[63]; x[b] = v + t * 0;", zeros(), grid=3, block=1)
    run("atomicAdd(&x[0], 1);", zeros(), grid=3)


def test_one_array_as_two_arguments_is_one_array(order):
    x = zeros()
    with cudasim.using(checked=True), pytest.raises(RuntimeError, match="a race"):
        kernel(source("y[(t + 1) % 32] = x[t];", "const REAL* x, REAL* y"))((1,), (32,), (x, x))


def test_an_error_in_one_launch_leaves_the_next_ones_alone(build):
    for _ in range(3):
        with pytest.raises(RuntimeError, match="barrier divergence"):
            run("if (t < 20) __syncthreads();", zeros(), checked=build == "checked")
        assert run("__syncthreads(); x[t] = t;", zeros(), checked=build == "checked")[5] == 5


# What CuPy passes on without a look

def test_arguments():
    scale = kernel(source("if (t < n) x[t] *= a;", "REAL* x, int n, REAL a"))
    x = np.ones(8, np.float32)
    scale((1,), (8,), (x, i32(8), np.float32(3)))
    assert x.tolist() == [3] * 8
    for wrong, match in [((x, i32(8)), "takes 3 arguments, not 2"),
                         ((x, 8, np.float32(3)), "argument 1 is 8"),
                         ((x, i32(8), 3.0), "argument 2 is 3.0"),
                         ((x, np.int64(8), np.float32(3)), "argument 1"),
                         ((x.astype("float64"), i32(8), np.float32(3)), "array of float64"),
                         ((x[::2], i32(4), np.float32(3)), "strides"),
                         ((None, i32(8), np.float32(3)), "argument 0 is NoneType")]:
        with pytest.raises((TypeError, ValueError), match=match):
            scale((1,), (8,), wrong)


def test_grids_and_blocks():
    nothing = kernel(source(""))
    for grid, block, match in [((0,), (1,), "empty grid"), ((1,), (0,), "empty grid"), ((1,), (1025,), "limit"),
                               ((1,), (32, 33), "1024"), ((1,), (1, 1, 65), "limit"), ((1, 65536), (1,), "limit")]:
        with pytest.raises(ValueError, match=match):
            nothing(grid, block, (zeros(), i32(0)))
    with pytest.raises(TypeError, match="tuples"):
        nothing(1, 32, (zeros(), i32(0)))
    with pytest.raises(ValueError, match="48 KiB"):
        nothing((1,), (1,), (zeros(), i32(0)), shared_mem=49 * 1024)
    with pytest.raises(KeyError, match="there is no kernel 'two'"):
        cudasim.Module(source("")).get_function("two")


# Memory traffic

COPY = source("int i = b * blockDim.x + t; if (i < n) y[i] = x[i * step];", "const REAL* x, REAL* y, int n, int step")


@pytest.mark.parametrize("real, size", [("float", 4), ("double", 8)])
@pytest.mark.parametrize("step", [1, 2, 3, 8, 20])
def test_traffic_of_a_copy_with_a_step(real, size, step):
    n = 256
    dtype = np.dtype(f"f{size}")
    with cudasim.recording() as launches:
        kernel(COPY, real=real)((4,), (64,), (np.zeros(n * step, dtype), np.zeros(n, dtype), i32(n), i32(step)))
    launch, = launches
    assert (launch.kernel, launch.grid, launch.block) == ("one", (4, 1, 1), (64, 1, 1))
    assert launch.distinct_loaded == launch.distinct_stored == launch.stored == n * size
    warps = np.arange(n).reshape(-1, 32) * step * size // 32              # the sectors that each warp's lanes read
    assert launch.loaded == 32 * sum([len(set(warp)) for warp in warps.tolist()])


def test_traffic_of_a_number_that_all_read_and_of_one_that_is_read_again():
    with cudasim.recording() as launches:
        kernel(source("y[t] = x[0] + x[0];", "const REAL* x, REAL* y"))((1,), (64,), (zeros(), zeros()))
        kernel(source("y[t] = 0; for (int i = 0; i < 3; ++i) y[t] += x[t];", "const REAL* x, REAL* y"))(
            (1,), (64,), (zeros(), zeros()))
    once, often = launches
    assert (once.loaded, once.distinct_loaded) == (2 * 2 * 32, 4)         # two warps, twice, a sector each
    assert (often.loaded, often.stored) == (6 * 256, 4 * 256)
    assert (often.distinct_loaded, often.distinct_stored) == (256, 256)   # what it has stored itself need not be loaded


# Mutants

def test_mutants_are_found_where_a_source_can_be_changed():
    changes = [(mutant.line, mutant.change) for mutant in cudasim.mutants(SUMS)]
    assert {line for line, _ in changes} == {6, 7, 8, 9, 10, 11, 13}
    for change in [(7, "blockIdx.x -> blockIdx.x + 1"), (7, "* -> +"), (7, "+ -> -"), (8, "__syncthreads() removed"),
                   (9, "32 -> 32 + 1"), (9, "> -> >="), (10, "< -> <="), (10, "+= -> -="), (10, "half -> half + 1"),
                   (13, "== -> !="), (13, "0 -> 0 + 1")]:
        assert change in changes
    swapped = [mutant.change for mutant in cudasim.mutants(source("if (oy < OH && ox < OW) x[oy * OW + ox] = n;",
                                                                  "REAL* x, int n, int OH, int OW, int oy, int ox"))]
    for change in ["oy -> ox", "OH -> OW", "OW -> OH", "&& ox < OW removed"]:
        assert change in swapped


def test_all_mutants_of_a_sum_are_noticed_but_those_that_compute_the_same():
    x = np.random.default_rng(0).standard_normal(192).astype("float32")

    def call():
        y = np.full(3, np.nan, "float32")
        kernel_of_sums((3,), (64,), (x, y))
        np.testing.assert_allclose(y, x.reshape(3, 64).sum(1), rtol=1e-4)

    kernel_of_sums = kernel(SUMS)
    verdicts = cudasim.trials(SUMS, [call])
    survivors = [(mutant.line, mutant.change) for mutant, verdict in verdicts.items() if verdict is None]
    assert survivors == [(13, "0 -> 0 + 1")]                              # thread 1 may as well store the sum
    assert all([verdict for mutant, verdict in verdicts.items() if "__syncthreads() removed" in mutant.change])
    assert cudasim.survivors(SUMS, [lambda: None]) == list(verdicts)      # nobody looks at them
    call()                                                                # the source itself is as it was


def test_a_mutant_that_does_not_end_and_one_that_crashes_are_noticed():
    code = source("int left = n; while (left > 0) left -= 1; x[t] = 10 / (n - 4);")

    def call():
        x = zeros()
        one((1,), (32,), (x, i32(3)))
        assert x[0] == -10

    one = kernel(code)
    verdicts = {mutant.change: verdict for mutant, verdict in cudasim.trials(code, [call]).items()}
    assert "runs for ever" in verdicts["-= -> +="]
    assert "a crash" in verdicts.values()                                 # n + 1 - 4 is 0


# The folder of what is compiled

def test_several_processes_may_compile_one_source_at_a_time(tmp_path):
    code = f"""
import numpy as np, cudasim
x, y = np.ones(64, np.float32), np.zeros(1, np.float32)
cudasim.Module({SUMS!r}, ("-DREAL=float",)).get_function("sums")((1,), (64,), (x, y))
assert y[0] == 64
"""
    environment = dict(os.environ, XDG_CACHE_HOME=str(tmp_path), PYTHONPATH=os.pathsep.join(sys.path))
    running = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert [path.suffix for path in (tmp_path / "cudasim").iterdir()] == [".so"]
