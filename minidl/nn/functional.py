"""The functions that layers are made of, under the names of PyTorch's torch.nn.functional."""
from minidl.ops import (                                 # noqa: F401
    adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_max_pool1d, adaptive_max_pool2d, avg_pool1d, avg_pool2d,
    batch_norm, binary_cross_entropy, binary_cross_entropy_with_logits, conv1d, conv2d, conv_transpose1d,
    conv_transpose2d, cross_entropy, drop_path, dropout, dropout1d, dropout2d, elu, embedding, fold, gelu, group_norm,
    hardsigmoid, hardswish, hardtanh, instance_norm, interpolate, kl_div, l1_loss, layer_norm, leaky_relu, linear,
    local_response_norm, log_softmax, max_pool1d, max_pool2d, mse_loss, nll_loss, normalize, one_hot, pad, pixel_shuffle,
    pixel_unshuffle, prelu, relu, relu6, selu, sigmoid, silu, smooth_l1_loss, softmax, softplus, tanh, unfold)
