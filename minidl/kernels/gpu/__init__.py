"""The kernel interface on NVIDIA GPUs: CuPy's arrays, its functions, and the CUDA C of the .cu files beside this one.

Nothing here waits for the GPU: a call returns when its work is queued.
"""
from cupy import ndarray
from cupy.cuda.memory import OutOfMemoryError

from minidl.kernels.gpu import formula
from minidl.kernels.gpu.elementwise import *            # CuPy's own functions; then those with kernels of ours:
from minidl.kernels.gpu.activation import (
    log_softmax, log_softmax_gradient, relu, relu_gradient, softmax, softmax_gradient)
from minidl.kernels.gpu.convolution import col2im, conv2d, conv2d_gradient_w, conv2d_gradient_x, im2col
from minidl.kernels.gpu.indexing import getitem_gradient, one_hot, scatter_add
from minidl.kernels.gpu.loss import cross_entropy, cross_entropy_gradient
from minidl.kernels.gpu.matrix import matmul
from minidl.kernels.gpu.memory import (
    check_there_is_one, from_host, is_pinned, pinned, room, shortage, synchronize, to_host)
from minidl.kernels.gpu.normalization import (
    batch_norm, batch_norm_gradient, group_norm, group_norm_gradient, local_response_norm, local_response_norm_gradient)
from minidl.kernels.gpu.pooling import (
    adaptive_avg_pool, adaptive_avg_pool_gradient, adaptive_max_pool, avg_pool, avg_pool_gradient, max_pool,
    max_pool_gradient)
from minidl.kernels.gpu.random import dropout_mask, philox, uniform
from minidl.kernels.gpu.reduction import cumprod_gradient, prod_gradient
from minidl.kernels.gpu.resize import linear_weights, nearest_index
from minidl.kernels.gpu.update import (
    adagrad_step, adam_step, rmsprop_step, rmsprop_tf_step, running_average, sgd_step)
from minidl.kernels.reference import out_size, pool_size                     # of numbers

device = "cuda"
