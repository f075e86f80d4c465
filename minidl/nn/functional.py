"""The functions that layers are made of, under the names of PyTorch's torch.nn.functional."""
from minidl.ops import (                                 # noqa: F401, I001, topic by topic for the user
    linear, embedding, one_hot, normalize, pad,
    conv1d, conv2d, conv_transpose1d, conv_transpose2d, fold, unfold,
    max_pool1d, max_pool2d, avg_pool1d, avg_pool2d,
    adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_max_pool1d, adaptive_max_pool2d,
    batch_norm, layer_norm, group_norm, instance_norm, local_response_norm,
    dropout, dropout1d, dropout2d, drop_path,
    relu, leaky_relu, elu, selu, gelu, silu, softplus, relu6, hardtanh, hardswish, hardsigmoid, prelu,
    sigmoid, tanh, softmax, log_softmax,
    cross_entropy, nll_loss, mse_loss, l1_loss, smooth_l1_loss, kl_div,
    binary_cross_entropy, binary_cross_entropy_with_logits,
    interpolate, pixel_shuffle, pixel_unshuffle)
