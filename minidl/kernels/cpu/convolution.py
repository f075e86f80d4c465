"""Convolution: which algorithm runs. Each has the same four functions: what it `suits`, and three passes."""
import functools
import time
from typing import NamedTuple

import numpy as np

from minidl.kernels import naive
from minidl.kernels.cpu import batched, columns, depthwise, direct, fft, pointwise, sliding, whole, winograd
from minidl.kernels.cpu.columns import col2im, im2col                # noqa: F401, kernels of this set, too
from minidl.kernels.cpu.simd import LANES
from minidl.kernels.cpu.threads import thread_count

ALGORITHMS = {"naive": naive, "im2col": columns, "direct": direct, "sliding": sliding, "batched": batched,
              "winograd": winograd.F4, "winograd2": winograd.F2, "gemm": pointwise, "linear": whole,
              "depthwise": depthwise, "fft": fft}
PASSES = ("conv2d", "conv2d_gradient_x", "conv2d_gradient_w")


class Convolution(NamedTuple):
    """What a choice depends on: images of x_shape (N, C, H, W), filters of w_shape (F, C/groups, KH, KW), and how."""
    x_shape: tuple
    w_shape: tuple
    stride: tuple
    padding: tuple
    dilation: tuple
    groups: int
    dtype: np.dtype


class conv_algorithm:
    """Choose how convolutions are computed on a CPU: with this algorithm, where it suits.

    "auto"    by a rule that looks at the shapes and was made from measurements; the default
    "timed"   once for every shape, all that suit are tried, and the fastest is kept (`autotune()` says the same)
    or one of ALGORITHMS, and "auto" for convolutions that it cannot do

    conv_algorithm("im2col") switches at once and for good; `with conv_algorithm("im2col"):` switches back at the
    end of the block. The choice is the whole process's, not the thread's. Algorithms differ in the last digits of
    their results, and "timed" may choose differently in every run.
    """
    setting = "auto"
    fastest: dict = {}           # (pass, convolution) -> the name of the algorithm that was the fastest

    def __init__(self, name):
        if name not in ("auto", "timed", *ALGORITHMS):
            raise ValueError(f"conv_algorithm: there is no algorithm {name!r}; there are auto, timed, "
                             f"{', '.join(ALGORITHMS)}")
        self.before, conv_algorithm.setting = conv_algorithm.setting, name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        conv_algorithm.setting = self.before


def autotune():
    """Try all algorithms that suit once for every convolution, and keep the fastest: conv_algorithm("timed")."""
    return conv_algorithm("timed")


def conv2d(x, w, b, stride, padding, dilation, groups):
    how = Convolution(x.shape, w.shape, stride, padding, dilation, groups, x.dtype)
    return run("conv2d", how, x, w, b, stride, padding, dilation, groups)


def conv2d_gradient_x(gy, w, shape, stride, padding, dilation, groups):
    how = Convolution(tuple(shape), w.shape, stride, padding, dilation, groups, gy.dtype)
    return run("conv2d_gradient_x", how, gy, w, shape, stride, padding, dilation, groups)


def conv2d_gradient_w(gy, x, size, stride, padding, dilation, groups):
    w_shape = (gy.shape[1], x.shape[1] // groups, *size)
    how = Convolution(x.shape, w_shape, stride, padding, dilation, groups, x.dtype)
    return run("conv2d_gradient_w", how, gy, x, size, stride, padding, dilation, groups)


def run(step, how, *args):
    if conv_algorithm.setting == "timed" and (step, how) not in conv_algorithm.fastest:
        conv_algorithm.fastest[step, how] = timed(step, how, args)
    return getattr(ALGORITHMS[algorithm(step, how)], step)(*args)


def algorithm(step, how):
    """The name of the algorithm that one of the three PASSES of a Convolution is computed with."""
    setting = conv_algorithm.setting
    if setting == "timed" and (step, how) in conv_algorithm.fastest:
        return conv_algorithm.fastest[step, how]
    return setting if setting in ALGORITHMS and ALGORITHMS[setting].suits(*how) else rule(step, how, thread_count())


def suitable(how):
    """The names of the algorithms that can do this convolution in reasonable time."""
    return [name for name, module in ALGORITHMS.items() if name != "naive" and module.suits(*how)]


def timed(step, how, args):
    """The name of the fastest algorithm."""
    seconds = {}
    for name in suitable(how):
        kernel = getattr(ALGORITHMS[name], step)
        kernel(*args)                                    # compiles
        start = time.perf_counter()
        kernel(*args)
        seconds[name] = time.perf_counter() - start
    return min(seconds, key=seconds.get)


@functools.lru_cache(1024)
def rule(step, how, threads):
    """The algorithm that was the fastest for such shapes when it was measured."""
    for name in ("linear", "depthwise", "gemm"):
        if ALGORITHMS[name].suits(*how):
            return name
    if winograd.F4.suits(*how):
        return min(("winograd", "winograd2"), key=lambda name: ALGORITHMS[name].products(how.x_shape, how.padding))
    if how.dtype != np.float32 or not direct.suits(*how):
        return "im2col"
    C, to_x = how.w_shape[1], step == "conv2d_gradient_x"               # direct has channels in the lanes of its vectors
    if 4 < C < LANES and how.x_shape[0] % (LANES * threads) == 0 and batched.suits(*how):
        return "batched"
    if how.stride == (1, 1) and C <= (8 if to_x else 4):
        return "sliding"
    return "im2col" if C < 8 and to_x else "direct"
