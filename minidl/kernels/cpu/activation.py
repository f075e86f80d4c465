"""Activations in one pass over memory."""
from minidl.kernels.cpu.elementwise import WHERE_POSITIVE, combined
from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.memory import empty, flat
from minidl.kernels.cpu.moves import BLOCK, stream, worth_streaming
from minidl.kernels.cpu.threads import workspace


def relu(x):
    y = empty(x.shape, x.dtype)
    _relu(flat(x), flat(y), worth_streaming(y), workspace(BLOCK, y.dtype))
    return y


@jit(each="work")
def _relu(t, x, y, streaming, work):
    for i in range(t * BLOCK, len(x), len(work) * BLOCK):
        j = min(i + BLOCK, len(x))
        if streaming:
            _positive(x[i:j], work[t])
            stream(work[t, :j - i], y, i)
        else:
            _positive(x[i:j], y[i:j])


@jit
def _positive(x, y):
    for n in range(len(x)):
        y[n] = 0 if x[n] < 0 else x[n]                   # NaN is not < 0, and stays


def relu_gradient(gy, y):
    return combined(WHERE_POSITIVE, gy, y)
