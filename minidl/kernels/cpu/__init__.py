"""The kernel interface for CPUs: what is not made faster here is the reference itself."""
from minidl.kernels.reference import *
from minidl.kernels.cpu.convolution import (
    col2im, conv2d, conv2d_gradient_w, conv2d_gradient_x, im2col)
