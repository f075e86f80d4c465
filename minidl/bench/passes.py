"""The three passes of one convolution in either engine: y, and the gradients of x and of w that y's gradient brings."""
from functools import partial
from math import prod

import numpy as np

from minidl.bench.agreement import TOLERANCE, distance, finite
from minidl.bench.report import undisturbed
from minidl.kernels.cpu.convolution import ALGORITHMS, PASSES, Convolution, suitable
from minidl.kernels.reference import out_size

NAIVE = 10 ** 6              # multiplications that take a second or two in loops of plain Python
FFT_FROM = 5                 # pixels: with smaller filters fft takes far more time and memory than any other


def convolution(numbers):
    """A Convolution from the lists that JSON made of one."""
    *settings, groups = numbers
    return Convolution(*map(tuple, settings), groups, np.dtype(np.float32))


def as_lists(how):
    """A Convolution for JSON; its dtype is float32."""
    return list(how[:-1])


def output_shape(how):
    size = [out_size(*axis) for axis in zip(how.x_shape[2:], how.w_shape[2:], *how[2:5], strict=True)]
    return (how.x_shape[0], how.w_shape[0], *size)


def macs(how):
    """Multiplications with an addition: as many in every pass."""
    return prod(output_shape(how)) * prod(how.w_shape[1:])


def names(how):
    """The algorithms that are timed: those that suit, except where that would take too long."""
    few, large = macs(how) <= NAIVE, min(how.w_shape[2:]) >= FFT_FROM
    return [name for name in ALGORITHMS
            if (few if name == "naive" else name in suitable(how) and (large or few or name != "fft"))]


def arrays(how, dtype=np.float32):
    """x, w and the gradient of y: always the same numbers."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) for shape in (how.x_shape, how.w_shape, output_shape(how))]


def minidls(how):
    """{(pass, algorithm): a function of nothing that computes it}"""
    x, w, gy = arrays(how)
    settings = how.stride, how.padding, how.dilation, how.groups
    inputs = dict(zip(PASSES, ((x, w, None), (gy, w, how.x_shape), (gy, x, how.w_shape[2:]))))
    return {(step, name): partial(getattr(ALGORITHMS[name], step), *inputs[step], *settings)
            for step in PASSES for name in names(how)}


def pytorchs(how, dtype=np.float32, channels_last=False):
    """{(pass, "PyTorch"): a function of nothing that computes it}: what PyTorch's autograd calls."""
    import torch
    x, w, gy = map(torch.from_numpy, arrays(how, dtype))
    if channels_last:
        x, w, gy = (array.contiguous(memory_format=torch.channels_last) for array in (x, w, gy))
    settings = how.stride, how.padding, how.dilation
    backward = torch.ops.aten.convolution_backward

    def gradient(i):
        wanted = [i == 0, i == 1, False]
        return backward(gy, x, w, None, *settings, False, (0, 0), how.groups, wanted)[i]
    functions = partial(torch.conv2d, x, w, None, *settings, how.groups), partial(gradient, 0), partial(gradient, 1)
    return {(step, "PyTorch"): function for step, function in zip(PASSES, functions)}


def times(how, setting, seconds):
    """{pass: {algorithm: its time}}"""
    from minidl.bench.worker import steps
    functions = pytorchs(how, channels_last=setting.channels_last) if setting.engine == "PyTorch" else minidls(how)
    found = {step: {} for step in PASSES}
    for (step, name), function in functions.items():
        found[step][name] = undisturbed(steps(function, seconds)[0])
    return found


def errors(how):
    """{pass: {algorithm, or "PyTorch": how far its float32 is from PyTorch's float64}}; None for what is no number."""
    exact = {step: function().numpy() for (step, _), function in pytorchs(how, np.float64).items()}
    found = {step: {} for step in PASSES}
    for (step, name), function in (minidls(how) | pytorchs(how)).items():
        found[step][name] = finite(distance(np.asarray(function()), exact[step], floor=0))
    return found


def wrong(errors):
    """The (pass, algorithm) of `errors` that are too far off."""
    return [(step, name) for step, of_pass in errors.items() for name, error in of_pass.items()
            if name != "PyTorch" and not (error is not None and error <= TOLERANCE)]
