"""The kernel interface for CPUs: what is not made faster here is the reference itself."""
from minidl.kernels.reference import *                  # everything, then the faster ones:
from minidl.kernels.cpu.activation import log_softmax, log_softmax_gradient, softmax, softmax_gradient
from minidl.kernels.cpu.convolution import (
    col2im, conv2d, conv2d_gradient_w, conv2d_gradient_x, im2col)
from minidl.kernels.cpu.elementwise import add, broadcast_to, copy
from minidl.kernels.cpu.indexing import getitem_gradient
from minidl.kernels.cpu.loss import cross_entropy, cross_entropy_gradient
from minidl.kernels.cpu.matrix import matmul
from minidl.kernels.cpu.normalization import (
    batch_norm, batch_norm_gradient, group_norm, group_norm_gradient, local_response_norm, local_response_norm_gradient)
from minidl.kernels.cpu.one_pass import in_one_pass
from minidl.kernels.cpu.pooling import (
    adaptive_avg_pool, adaptive_avg_pool_gradient, avg_pool, avg_pool_gradient, max_pool, max_pool_gradient)
from minidl.kernels.cpu.random import dropout_mask, philox, uniform
from minidl.kernels.cpu.reduction import sum
from minidl.kernels.cpu.update import adagrad_step, adam_step, rmsprop_step, rmsprop_tf_step, sgd_step
