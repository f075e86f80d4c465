"""Activations in one pass over memory."""
from minidl.kernels.cpu.elementwise import LARGE, WHERE_POSITIVE, combined, large
from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.memory import empty, flat
from minidl.kernels.cpu.moves import BLOCK, stream, worth_streaming
from minidl.kernels.cpu.threads import workspace
from minidl.kernels.reference import activation as reference


def relu(x):
    if x.size < LARGE:
        return reference.relu(x)
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
    return combined(WHERE_POSITIVE, gy, y) if large(gy, y) else reference.relu_gradient(gy, y)
