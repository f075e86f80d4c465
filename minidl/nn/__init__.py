"""Layers, and what layers are built from. Names and arguments are PyTorch's."""
from minidl.nn.parameter import Parameter
from minidl.nn.module import Module, module_path
from minidl.nn.containers import ModuleDict, ModuleList, ParameterList, Sequential
from minidl.nn import functional, init, utils
from minidl.nn.linear import Embedding, Flatten, Identity, Linear, Unflatten
from minidl.nn.conv import Conv1d, Conv2d, ConvTranspose2d
from minidl.nn.pooling import (
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d)
from minidl.nn.normalization import (
    BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm1d, InstanceNorm2d, LayerNorm, LocalResponseNorm)
from minidl.nn.dropout import Dropout, Dropout2d, DropPath
from minidl.nn.activation import (
    ELU, GELU, Hardsigmoid, Hardswish, Hardtanh, LeakyReLU, LogSoftmax, PReLU, ReLU, ReLU6, SELU, Sigmoid,
    SiLU, Softmax, Softplus, Tanh)
from minidl.nn.loss import (
    BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, KLDivLoss, L1Loss, MSELoss, NLLLoss, SmoothL1Loss)
from minidl.nn.resize import PixelShuffle, Upsample, ZeroPad2d
