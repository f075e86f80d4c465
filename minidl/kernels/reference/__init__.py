"""The kernel interface in plain NumPy: short, written to be read, and the contract for every other set.

Inside the kernels, pairs are tuples: size (KH, KW), stride (SH, SW), padding (PH, PW), dilation (DH, DW).
Arguments have been checked by the op that calls; results have the dtype of x.
"""
from minidl.kernels.reference.activation import (
    log_softmax, log_softmax_gradient, relu, relu_gradient, softmax, softmax_gradient)
from minidl.kernels.reference.convolution import (
    col2im, conv2d, conv2d_gradient_w, conv2d_gradient_x, im2col, out_size)
from minidl.kernels.reference.elementwise import *      # NumPy's own functions, and a few more
from minidl.kernels.reference.indexing import getitem_gradient, one_hot, scatter_add
from minidl.kernels.reference.loss import cross_entropy, cross_entropy_gradient
from minidl.kernels.reference.normalization import (
    batch_norm, batch_norm_gradient, group_norm, group_norm_gradient, local_response_norm, local_response_norm_gradient)
from minidl.kernels.reference.pooling import (
    adaptive_avg_pool, adaptive_avg_pool_gradient, adaptive_max_pool, avg_pool, avg_pool_gradient, max_pool,
    max_pool_gradient, pool_size)
from minidl.kernels.reference.reduction import cumprod_gradient, prod_gradient
from minidl.kernels.reference.random import dropout_mask, philox, uniform
from minidl.kernels.reference.resize import linear_weights, nearest_index
from minidl.kernels.reference.update import (
    adagrad_step, adam_step, rmsprop_step, rmsprop_tf_step, running_average, sgd_step)
