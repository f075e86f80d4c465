"""The double of CuPy is as strict as CuPy, or stricter, and counts what a program waits for."""
import numpy as np
import pytest
import strictcupy as xp
from strictcupy import memory


def array(*shape):
    return xp.asarray(np.arange(np.prod(shape), dtype="float32").reshape(shape))


@pytest.mark.parametrize("mix", [
    lambda x, host: np.asarray(x), lambda x, host: np.array(x), lambda x, host: x + host, lambda x, host: host + x,
    lambda x, host: host @ x, lambda x, host: np.add(host, x), lambda x, host: xp.add(x, host),
    lambda x, host: xp.concatenate([x, host]), lambda x, host: xp.maximum(x, [1, 2, 3]), lambda x, host: np.dot(host, x),
    lambda x, host: xp.where(x > 1, host, x), lambda x, host: np.add.at(host, [0], x[0]),
    lambda x, host: x[host.astype(int)], lambda x, host: x.dot(host), lambda x, host: x == host])
def test_arrays_of_the_host_and_of_the_device_do_not_mix(mix):
    with pytest.raises(TypeError):
        mix(array(3), np.ones(3))


def test_an_array_of_the_host_is_not_assigned_to_one_of_the_device():
    x = array(3)
    with pytest.raises(ValueError, match="non-scalar"):
        x[:] = np.ones(3)
    x[:] = xp.asarray(np.full(3, 2, "float32"))
    x[0] = 1
    assert x.get().tolist() == [1, 2, 2]


def test_numpys_functions_give_arrays_of_the_device():
    x = array(2, 3)
    for result in (np.sum(x), np.exp(x), np.float32(2) * x, np.concatenate([x, x]), np.add.reduce(x)):
        assert isinstance(result, xp.ndarray)


def test_what_numpy_gives_as_a_number_is_an_array_of_no_dimension():
    x = array(4)
    for result in (x.sum(), x[1], x.max(), xp.mean(x), x[xp.asarray(2)], xp.count_nonzero(x), xp.array_equal(x, x),
                   xp.allclose(x, x), xp.argmax(x), xp.dot(x, x), x.T @ x):
        assert isinstance(result, xp.ndarray) and result.shape == ()
    x[1][...] = 9                                                        # a view
    assert float(x[1]) == 9


def test_dtypes():
    x = array(3)
    assert (x * 2.0).dtype == "float32" and (x * np.float64(2)).dtype == "float64"
    assert x.astype("float16").dtype == "float16"
    for dtype in ("U1", object, "M8[s]"):
        with pytest.raises(ValueError, match="Unsupported dtype"):
            xp.asarray(np.zeros(2, dtype))


def test_names_that_cupy_has_not():
    for name in ("block", "einsum_path", "nditer", "float128", "insert", "errstate"):
        with pytest.raises(AttributeError):
            getattr(xp, name)
    for name in ("ctypes", "setflags", "resize", "newbyteorder"):
        with pytest.raises(AttributeError):
            getattr(array(2), name)
    rng = xp.random.default_rng(0)
    assert rng.standard_normal((2, 3), dtype="float32").shape == (2, 3)
    for name in ("normal", "permutation", "shuffle", "choice"):
        with pytest.raises(AttributeError):
            getattr(rng, name)


@pytest.mark.parametrize("call", [
    lambda x: xp.sum(x, where=x > 1), lambda x: xp.max(x, initial=0), lambda x: x.sum(initial=0),
    lambda x: xp.take(x, xp.asarray([0]), mode="raise"), lambda x: xp.zeros(3, device="cpu"),
    lambda x: xp.exp(x, where=x > 1), lambda x: x.mean(where=x > 1), lambda x: x.astype("float32", wrong=1),
    lambda x: xp.exp(x, order="C")])
def test_arguments_that_cupy_has_not(call):
    with pytest.raises(TypeError):
        call(array(3))


def test_indices():
    x = array(3)
    with pytest.raises(IndexError):
        x[xp.asarray([0, 3])]                                            # CuPy takes the first one
    with pytest.raises(IndexError, match="same cell twice"):
        x[xp.asarray([0, 0])] = 1                                        # CuPy does not say which comes last
    xp.add.at(x, xp.asarray([0, 0]), 1)
    x.scatter_add(xp.asarray([2, 2]), 1)
    assert x.get().tolist() == [2, 1, 4]
    with pytest.raises(NotImplementedError):
        xp.multiply.at(x, xp.asarray([0]), 2)


def test_memory_that_nobody_has_written_is_no_number():
    for made in (xp.empty((2, 2), "float32"), xp.empty_like(array(3)), xp.ndarray((2, 3)), xp.empty((2, 3), order="F")):
        assert np.isnan(made.get()).all()
    assert (abs(xp.empty(3, "int64").get()) > 2 ** 40).all()


def test_what_waits_for_the_device_is_counted_with_its_place():
    x = array(4)
    with xp.watching() as seen:
        y = (x * 2).sum() + x[1]
        x[1:3] = 0
        x @ x
        xp.where(x > 1, x, 0)
        assert x.shape == (4,) and len(x) == 4
    assert not seen.synchronisations
    waits = [lambda: float(y), lambda: int(y), lambda: bool(y), lambda: y.item(), lambda: x.get(), lambda: x.tolist(),
             lambda: str(x), lambda: xp.asnumpy(x), lambda: x.nonzero(), lambda: xp.nonzero(x), lambda: xp.unique(x),
             lambda: x[x > 1], lambda: x.__setitem__(x > 1, 0), lambda: xp.where(x), lambda: xp.argwhere(x),
             lambda: xp.cuda.Stream.null.synchronize(), lambda: xp.cuda.Device().synchronize()]
    for wait in waits:
        with xp.watching() as seen:
            wait()
        assert len(seen.synchronisations) >= 1
        assert "test_double.py:" in seen.synchronisations[0]
    cupyx = xp.modules()["cupyx"]
    with cupyx.allow_synchronize(False), pytest.raises(cupyx.DeviceSynchronized, match="test_double.py"):
        float(y)
    assert float(y) == 13


def test_copies_from_the_host_are_counted_and_those_from_pinned_memory():
    pinned = xp.modules()["cupyx"].empty_pinned((2, 3), "float32")
    assert type(pinned) is np.ndarray and pinned.shape == (2, 3)
    pinned[...] = 1
    with xp.watching() as seen:
        a, b = xp.asarray(np.ones(3)), xp.asarray(pinned)
        c = xp.asarray(pinned[1:])
        xp.empty(3).set(np.ones(3))
        xp.asarray(a), xp.ascontiguousarray(b), b + c
    assert (len(seen.uploads), len(seen.pinned_uploads)) == (4, 2)
    pinned[...] = 5
    assert (b.get() == 1).all()


def test_memory_runs_out(monkeypatch):
    monkeypatch.setattr(memory, "total", memory.used + 10_000)
    free, total = xp.cuda.runtime.memGetInfo()
    assert (free, total) == (10_000, memory.total)
    x = xp.zeros(1000, "float64")
    assert xp.cuda.runtime.memGetInfo()[0] == 10_000 - 8192              # in multiples of 512 bytes
    with pytest.raises(xp.cuda.memory.OutOfMemoryError, match="Out of memory allocating 8,192 bytes"):
        x + 1
    view = x[10:]
    del x
    assert xp.cuda.runtime.memGetInfo()[0] == 10_000 - 8192              # the view holds it
    del view
    assert xp.zeros(1000, "float64").get().sum() == 0


def test_streams_and_events():
    assert xp.cuda.runtime.getDeviceCount() == 1
    begin, end = xp.cuda.Event(), xp.cuda.Event()
    with xp.cuda.Stream(non_blocking=True) as stream:
        begin.record(stream)
        end.record(stream)
        stream.wait_event(begin)
    assert xp.cuda.get_elapsed_time(begin, end) >= 0
    assert array(2).device == xp.cuda.Device(0)


def test_kernels_run_in_the_simulator():
    pytest.importorskip("cudasim")
    double = xp.RawKernel('extern "C" __global__ void f(float* x, int n) { if (threadIdx.x < n) x[threadIdx.x] *= 2; }', "f")
    x = array(3)
    double((1,), (32,), (x, np.int32(3)))
    assert x.get().tolist() == [0, 2, 4]
    with pytest.raises(TypeError):
        double((1,), (32,), (x, 3))
