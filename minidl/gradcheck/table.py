"""The calls that prove every op. A new op is proven by a line here, and a test finds the op that has none.

PROOFS     : class of op -> calls whose graph contains it
COMPOSED   : calls of functions that have no op of their own
CONVENTIONS: calls at kinks, where the gradient is what we (and PyTorch) chose: ties, bounds, zeros
VALUES     : calls whose results have no gradient
EXEMPT     : op classes and functions that need no call, and why

x is normal; `away` is away from 0, `distinct` has no ties, `unit` lies between 0 and 1. Arguments are such that the
op shows: batches, images that are not square, strides, overlaps, padding, groups, an LRN with alpha near 1.
"""
import operator

import numpy as np

import minidl
from minidl import nn, ops
from minidl.gradcheck.case import Case, Draw


def drawing(kind):
    return lambda *shape: Draw(kind, shape)


x, away, positive, unit, wide = (drawing(k) for k in ("x", "away", "positive", "unit", "wide"))
distinct, ties, zeros_in, probabilities = (drawing(k) for k in ("distinct", "ties", "zeros_in", "probabilities"))
const, weights, mask = (drawing(k) for k in ("const", "weights", "mask"))


def ints(limit, *shape):
    return Draw("ints", shape, limit)


# ---- functions that minidl and PyTorch write alike


def assigned(x, index, value):
    y = x.clone()
    y[index] = value
    return y


def twice(x): return x * x + x
def half_used(x): return ops.split(x, 2)[0]
def first_of_both(x, y): return (x * y + y)[0]


# ---- ops that only other ops call


def cast_to_itself(x): return ops.arithmetic.Cast(np.dtype(np.float64))(x)
def getitem_gradient(gy, index, shape): return ops.indexing.GetItemGradient(index, shape)(gy)
def scatter(gy, index, dim, shape): return ops.indexing.ScatterAdd(dim, shape)(gy, index)
def relu_gradient(gy, y): return ops.activation.ReLUGradient()(gy, y)
def im2col(x, *how): return ops.convolution.Im2Col(*how)(x)
def col2im(cols, *how): return ops.convolution.Col2Im(*how)(cols)
def prod_of_rows(x): return ops.reduction.Prod()(x)


def put(gy, index, shape):
    return gy.new_zeros(shape).index_put(tuple(i if hasattr(i, "dtype") else _torch().tensor(i) for i in index), gy,
                                         accumulate=True)


def with_hooks(x, y):
    """A module whose backward hook does nothing, but for the two gates it puts around it."""
    module = Product()
    module.register_full_backward_hook(lambda module, grad_input, grad_output: None)
    return module(x, y)


class Product(nn.Module):
    def forward(self, x, y):
        return x * y + x


def _torch():
    import torch
    return torch


def torch_scatter(gy, index, dim, shape): return gy.new_zeros(shape).scatter_add(dim, index, gy)
def torch_im2col(x, size, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    N, C, H, W = x.shape
    out = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip((H, W), size, stride, padding, dilation)]
    return _torch().nn.functional.unfold(x, size, dilation, padding, stride).reshape(N, C, *size, *out)
def torch_col2im(cols, shape, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    N, C, KH, KW, OH, OW = cols.shape
    cols = cols.reshape(N, C * KH * KW, OH * OW)
    return _torch().nn.functional.fold(cols, shape[2:], (KH, KW), dilation, padding, stride)


PROOFS = {
    # ---- arithmetic
    "Add": [Case("add", x(3, 4), x(4)), Case("add", x(2, 1, 3), x(4, 1), alpha=2.5), Case(twice, x(2, 3))],
    "Sub": [Case("sub", x(3, 1), x(2, 1, 4)), Case("sub", x(3, 4), x(), alpha=-2)],
    "Mul": [Case("mul", x(3, 4), x(3, 1)), Case("mul", x(2, 1, 3), x(4, 1)), Case("mul", x(), x(2, 2)), Case(twice, x(5))],
    "Div": [Case("div", x(3, 4), away(4)), Case("div", x(1, 3), away(2, 3)), Case("div", 2.5, away(3), torch="div")],
    "Remainder": [Case("remainder", x(3, 4), away(4)), Case("remainder", x(2, 1), away(3))],
    "Neg": [Case("neg", x(2, 3))],
    "Power": [Case("pow", x(3, 4), 3), Case("pow", positive(3, 4), -1.5), Case("pow", away(3), -2), Case("pow", x(3), 1)],
    "Pow": [Case("pow", positive(3, 4), x(4)), Case("pow", positive(2, 1), x(3)), Case("pow", positive(3), x())],
    "Exp": [Case("exp", x(2, 3))],
    "Expm1": [Case("expm1", x(2, 3))],
    "Log": [Case("log", positive(2, 3))],
    "Log1p": [Case("log1p", positive(2, 3))],
    "Sqrt": [Case("sqrt", positive(2, 3))],
    "Rsqrt": [Case("rsqrt", positive(2, 3))],
    "Square": [Case("square", x(2, 3))],
    "Sin": [Case("sin", x(2, 3))],
    "Cos": [Case("cos", x(2, 3))],
    "Tanh": [Case("tanh", x(2, 3))],
    "Sigmoid": [Case("sigmoid", x(2, 3))],
    "Erf": [Case("erf", x(2, 3))],
    "Abs": [Case("abs", away(3, 4))],
    "Maximum": [Case("maximum", distinct(3, 4), const(4)), Case("maximum", x(3, 4), x(3, 1)),
                Case("maximum", x(3, 4), x(3, 4))],
    "Minimum": [Case("minimum", x(3, 4), x(4)), Case("minimum", x(2, 1, 3), x(4, 1)),
                Case("minimum", x(3, 4), x(3, 4))],
    "Clamp": [Case("clamp", x(3, 4), -0.5, 0.7), Case("clamp", x(3, 4), min=0.1), Case("clamp", x(3, 4), max=0.1)],
    "Where": [Case("where", mask(3, 4), x(3, 4), x(4)), Case("where", mask(4), x(3, 1), x(1, 4)),
              Case("masked_fill", x(3, 4), mask(4), 2.0)],
    "Cast": [Case(cast_to_itself, x(2, 3), torch=lambda x: x.double())],
    # ---- indexing
    "GetItem": [Case(operator.getitem, x(4, 5), (slice(None, None, 2), slice(1, 4))),
                Case(operator.getitem, x(4, 5), ([0, 2, 2],)), Case(operator.getitem, x(4, 5), ([0, 3, 0], [1, 1, 1])),
                Case(operator.getitem, x(4, 5), mask(4, 5)), Case(operator.getitem, x(2, 3, 4), (..., None, 1)),
                Case(operator.getitem, x(2, 3, 4), (slice(None), [2, 0, 2], slice(1, 3))),
                Case(operator.getitem, x(3, 4), (1, -1)), Case(first_of_both, x(3, 4), x(4))],
    "GetItemGradient": [Case(getitem_gradient, x(3, 4), ([0, 2, 2],), (5, 4), torch=put),
                        Case(getitem_gradient, x(2), (slice(0, 4, 2), 1), (4, 3), torch=lambda gy, *_: put(
                            gy, ([0, 2], [1, 1]), (4, 3)))],
    "SetItem": [Case(assigned, x(4, 5), (slice(1, 3),), x(5)), Case(assigned, x(4, 5), ([3, 0],), x(2, 1)),
                Case(assigned, x(4, 5), mask(4, 5), x()), Case(assigned, x(3, 4), (slice(None), 2), 1.5)],
    "Gather": [Case("gather", x(4, 5), 0, ints(4, 2, 5)), Case("gather", x(4, 5), -1, ints(5, 3, 7)),
               Case("gather", x(2, 3, 4), 1, ints(3, 2, 5, 3))],
    "ScatterAdd": [Case(scatter, x(4, 3), ints(2, 4, 3), 0, (2, 3), torch=torch_scatter),
                   Case(scatter, x(2, 5), ints(3, 2, 5), 1, (4, 3), torch=torch_scatter),
                   Case("scatter_add", x(3, 5), 1, ints(5, 2, 4), x(2, 4))],
    # ---- matrix
    "MatMul": [Case("matmul", x(3, 4), x(4, 5)), Case("matmul", x(4), x(4)), Case("matmul", x(4), x(2, 4, 3)),
               Case("matmul", x(2, 3, 4), x(4)), Case("matmul", x(2, 1, 3, 4), x(3, 4, 2)), Case("matmul", x(5, 2, 3), x(3, 4)),
               Case("mm", x(3, 4), x(4, 2)), Case("bmm", x(2, 3, 4), x(2, 4, 5)), Case("dot", x(4), x(4))],
    "Einsum": [Case("einsum", "ij,jk->ik", x(3, 4), x(4, 2)), Case("einsum", "bij,bkj->bik", x(2, 3, 4), x(2, 5, 4)),
               Case("einsum", "ij,j,jk->ki", x(3, 4), x(4), x(4, 2)), Case("einsum", "ijk->j", x(2, 3, 4)),
               Case("einsum", "...i,i...->...", x(2, 3, 4), x(4, 2, 3)), Case("einsum", "ii->i", x(3, 3)),
               Case("einsum", "ij,kj", x(2, 3), x(4, 3)), Case("einsum", "iij,j->", x(2, 2, 3), x(3))],
    "Linear": [Case("linear", x(5, 4), x(3, 4), x(3)), Case("linear", x(2, 5, 4), x(3, 4)), Case("linear", x(4), x(3, 4), x(3)),
               Case("linear", x(1, 4), x(3, 4), x(3))],
    # ---- reduction
    "Sum": [Case("sum", x(3, 4)), Case("sum", x(2, 3, 4), (0, -1), True), Case("sum", x(2, 3, 4), 1),
            Case("mean", x(2, 3, 4), (0, 2)), Case("mean", x(3, 4), -1, True), Case("mean", x(3, 4)),
            Case("var", x(2, 3, 4), (0, 2)), Case("var", x(3, 4), 0, correction=0, keepdim=True),
            Case("std", x(3, 4), -1, correction=2), Case("std", x(3, 4)), Case("var_mean", x(2, 3, 4), (0, 2), correction=0)],
    "AMax": [Case("amax", distinct(3, 4)), Case("amax", distinct(2, 3, 4), (0, 2)), Case("amax", distinct(3, 4), -1, True),
             Case("max", distinct(3, 4))],
    "AMin": [Case("amin", distinct(3, 4)), Case("amin", distinct(2, 3, 4), (0, 2)), Case("amin", distinct(3, 4), 0, True),
             Case("min", distinct(3, 4))],
    "LogSumExp": [Case("logsumexp", x(3, 4), 1), Case("logsumexp", x(2, 3, 4), (0, 2)), Case("logsumexp", x(3, 4), -1, True)],
    "Norm": [Case("norm", x(3, 4)), Case("norm", x(2, 3, 4), 2, (0, 2)), Case("norm", x(3, 4), 2, -1, True)],
    "CumSum": [Case("cumsum", x(3, 4), 0), Case("cumsum", x(2, 3, 4), -2)],
    "CumProd": [Case("cumprod", x(3, 5), 1), Case("cumprod", zeros_in(4, 5), -1), Case("cumprod", x(3, 2, 2), 0)],
    "Prod": [Case("prod", x(2, 3)), Case("prod", x(2, 3, 4), 1), Case("prod", zeros_in(4, 5), -1, True),
             Case(prod_of_rows, zeros_in(4, 3), torch=lambda x: x.prod(1))],
    # ---- shape
    "Reshape": [Case("reshape", x(2, 3, 4), (4, -1)), Case("flatten", x(2, 3, 4), 1), Case("unsqueeze", x(2, 3), -1),
                Case("squeeze", x(1, 3, 1), 0), Case("squeeze", x(1, 3, 1)), Case("unflatten", x(2, 6), 1, (3, -1)),
                Case("view", x(2, 3), (3, 2))],
    "Permute": [Case("permute", x(2, 3, 4), (2, 0, 1)), Case("transpose", x(2, 3, 4), -1, 0), Case("t", x(2, 3))],
    "Expand": [Case("expand", x(3, 1), (2, 3, 4)), Case("expand", x(1, 4), (3, -1)), Case("repeat", x(2, 3), (2, 1, 2))],
    "SumTo": [Case("sum_to", x(2, 3, 4), (3, 1), torch=lambda x, shape: x.sum_to_size(shape)),
              Case("sum_to", x(2, 3), (), torch=lambda x, shape: x.sum())],
    "Flip": [Case("flip", x(3, 4), (0,)), Case("flip", x(2, 3, 4), (0, -1))],
    "Pad": [Case("pad", x(2, 3), (1, 2)), Case("pad", x(2, 3, 4), (1, 0, 0, 2), value=1.5), Case("pad", x(3, 4), (-1, 2, 1, -1))],
    "Cat": [Case("cat", [x(2, 3), x(4, 3), x(1, 3)]), Case("cat", [x(2, 3), x(2, 1)], -1), Case("stack", [x(2, 3), x(2, 3)], 1)],
    "Clone": [Case("clone", x(2, 3))],
    "Alias": [Case("alias", x(2, 3), torch=lambda x: x.view_as(x)), Case("split", x(5, 3), 2), Case("chunk", x(3, 5), 2, 1),
              Case("split", x(3, 6), (1, 3, 2), -1), Case("unbind", x(2, 3)), Case(half_used, x(4, 3), torch=lambda x: x[:2])],
    # ---- activation
    "ReLU": [Case("relu", away(3, 4))],
    "ReLUGradient": [Case(relu_gradient, x(3, 4), away(3, 4), torch=lambda gy, y: gy * (y.detach() > 0) + 0 * y)],
    "LeakyReLU": [Case("leaky_relu", away(3, 4), 0.2)],
    "ELU": [Case("elu", away(3, 4), 1.3), Case("selu", away(3, 4))],
    "GELU": [Case("gelu", x(3, 4))],
    "SiLU": [Case("silu", x(3, 4))],
    "Softplus": [Case("softplus", wide(3, 4)), Case("softplus", x(3, 4), 1.5, 0.5)],
    "Hardtanh": [Case("hardtanh", x(3, 4), -0.5, 0.8), Case("relu6", wide(3, 4)), Case("hardtanh", x(4, 5))],
    "Hardsigmoid": [Case("hardsigmoid", wide(4, 5))],
    "Hardswish": [Case("hardswish", wide(4, 5))],
    "Softmax": [Case("softmax", x(3, 4), 1), Case("softmax", x(2, 3, 2), 0), Case("softmax", x(2, 3, 4), -2)],
    "LogSoftmax": [Case("log_softmax", x(3, 4), 1), Case("log_softmax", x(2, 3, 4), -2)],
    # ---- convolution
    "Im2Col": [Case(im2col, x(2, 2, 5, 6), (3, 2), (2, 1), (1, 0), (1, 2), torch=torch_im2col),
               Case("unfold", x(2, 2, 5, 4), (2, 3), 1, (0, 1), (2, 1))],
    "Col2Im": [Case(col2im, x(2, 2, 3, 2, 3, 4), (2, 2, 5, 6), (2, 1), (1, 0), (1, 2), torch=torch_col2im),
               Case("fold", x(2, 12, 8), (5, 4), (2, 3), 1, (0, 1), (2, 1))],
    "Conv2d": [Case("conv2d", x(2, 3, 6, 5), x(4, 3, 3, 2), x(4)), Case("conv2d", x(2, 4, 6, 7), x(6, 2, 3, 2), x(6), (2, 1), (1, 2),
                                                                     (1, 2), 2),
               Case("conv2d", x(2, 3, 5, 4), x(6, 1, 2, 3), None, 1, "same", 1, 3), Case("conv2d", x(3, 5, 6), x(2, 3, 3, 3), x(2), 2),
               Case("conv2d", x(1, 2, 6, 6), x(3, 2, 3, 3), stride=3, padding="valid"), Case("conv2d", x(2, 3, 4, 3), x(5, 3, 1, 1)),
               Case("conv1d", x(2, 4, 7), x(6, 2, 3), x(6), 2, 1, 2, 2), Case("conv1d", x(2, 2, 5), x(3, 2, 2), padding="same")],
    "ConvTranspose2d": [Case("conv_transpose2d", x(2, 3, 4, 3), x(3, 4, 3, 2), x(4)),
                        Case("conv_transpose2d", x(2, 4, 3, 4), x(4, 3, 3, 2), x(6), (2, 3), (1, 0), (1, 2), 2, (1, 2)),
                        Case("conv_transpose2d", x(4, 3, 4), x(4, 1, 3, 3), None, 2, 1, groups=4),
                        Case("conv_transpose1d", x(2, 4, 5), x(4, 3, 3), x(6), 2, 1, 1, 2, 2)],
    # ---- pooling
    "MaxPool2d": [Case("max_pool2d", distinct(2, 2, 6, 5), 2), Case("max_pool2d", distinct(2, 2, 6, 7), (3, 2), (2, 1), (1, 1)),
                  Case("max_pool2d", distinct(1, 2, 7, 6), 3, 2, 1, 1, True), Case("max_pool2d", distinct(2, 7, 8), 2, 2, 1, (2, 3)),
                  Case("max_pool2d", distinct(2, 1, 5, 5), 3, 1, return_indices=True), Case("max_pool1d", distinct(2, 3, 7), 3, 2, 1)],
    "AvgPool2d": [Case("avg_pool2d", x(2, 2, 6, 5), 2), Case("avg_pool2d", x(2, 2, 6, 7), (3, 2), (2, 1), (1, 1)),
                  Case("avg_pool2d", x(1, 2, 7, 6), 3, 2, 1, True, False), Case("avg_pool2d", x(1, 2, 6, 6), 3, 2, 1, True),
                  Case("avg_pool2d", x(2, 5, 6), (2, 3), 2, 0, False, True, 5), Case("avg_pool1d", x(2, 3, 7), 3, 2, 1)],
    "AdaptiveAvgPool2d": [Case("adaptive_avg_pool2d", x(2, 3, 7, 5), (3, 2)), Case("adaptive_avg_pool2d", x(2, 3, 4, 5), 1),
                          Case("adaptive_avg_pool2d", x(2, 4, 5), (None, 7)), Case("adaptive_avg_pool1d", x(2, 3, 7), 3)],
    "AdaptiveMaxPool2d": [Case("adaptive_max_pool2d", distinct(2, 2, 7, 5), (3, 2)),
                          Case("adaptive_max_pool2d", distinct(2, 4, 5), (None, 7)),
                          Case("adaptive_max_pool1d", distinct(2, 3, 7), 3)],
    # ---- normalization
    "BatchNorm": [Case("batch_norm", x(4, 3, 2, 2), None, None, x(3), x(3), True, eps=0.1), Case("batch_norm", x(5, 3), None, None,
                  x(3), x(3), True), Case("batch_norm", x(3, 2, 4), None, None, training=True)],
    "Standardize": [Case("layer_norm", x(3, 4, 2), (4, 2), x(4, 2), x(4, 2), 0.1), Case("layer_norm", x(3, 5), (5,)),
                    Case("group_norm", x(2, 6, 3), 2, x(6), x(6), 0.1), Case("group_norm", x(3, 6), 2),
                    Case("instance_norm", x(2, 3, 2, 4), None, None, x(3), x(3), eps=0.1)],
    "LocalResponseNorm": [Case("local_response_norm", x(2, 7, 2, 3), 5, 1.2, 0.75, 2.0),
                          Case("local_response_norm", x(2, 5, 3), 2, 0.9, 0.6), Case("local_response_norm", x(2, 3, 4), 7, 1.5)],
    # ---- loss
    "CrossEntropy": [Case("cross_entropy", x(5, 4), ints(4, 5)),
                     Case("cross_entropy", x(6, 4), ints(4, 6), weights(4), ignore_index=2, label_smoothing=0.1),
                     Case("cross_entropy", x(2, 3, 2, 4), ints(3, 2, 2, 4), weights(3), reduction="none"),
                     Case("cross_entropy", x(5, 3), ints(3, 5), ignore_index=1, reduction="sum", label_smoothing=0.2), Case("cross_entropy", x(4), ints(4))],
    "BinaryCrossEntropy": [Case("binary_cross_entropy", unit(3, 4), unit(3, 4)),
                           Case("binary_cross_entropy", unit(3, 4), unit(3, 4), weights(4), reduction="none")],
    # ---- dropout
    "Dropout": [Case("dropout", x(4, 5), 0.4, seeded=True, torch=None), Case("dropout2d", x(3, 4, 2, 2), seeded=True, torch=None),
                Case("dropout1d", x(3, 4, 2), 0.3, seeded=True, torch=None), Case("drop_path", x(6, 2, 2), seeded=True, torch=None)],
    # ---- nn/hooks
    "Gate": [Case(with_hooks, x(3, 4), x(4), torch=lambda x, y: x * y + x)],
    "Pass": [Case(with_hooks, x(2, 3), x(2, 3), torch=lambda x, y: x * y + x)],
}

COMPOSED = [
    Case("outer", x(3), x(4)), Case("narrow", x(3, 5), 1, -3, 2), Case("index_select", x(4, 3), 0, ints(4, 6)),
    Case("pad", x(1, 2, 4, 5), (2, 1, 1, 2), "reflect"), Case("pad", x(1, 2, 3, 4), (1, 2, 3, 1), "replicate"),
    Case("pad", x(2, 2, 4), (1, 2), "circular"), Case("embedding", ints(4, 2, 3), x(4, 5)),
    Case("norm", away(3, 4), 1, 0), Case("norm", away(3, 4), 3, -1, True), Case("norm", distinct(3, 4), float("inf"), 1),
    Case("norm", distinct(3, 4), -float("inf"), 1), Case("normalize", x(3, 4)), Case("normalize", away(3, 4), 1.5, 0),
    Case("max", distinct(3, 4), 1), Case("min", distinct(2, 3, 4), -2, True), Case("max", x(3, 4), x(3, 4)),
    Case("sort", distinct(3, 4)), Case("sort", distinct(3, 4), 0, True), Case("topk", distinct(3, 6), 2),
    Case("topk", distinct(5, 3), 2, 0, False), Case("clamp", x(4, 5), x(5), weights(5)), Case("contiguous", x(2, 3), torch="clone"),
    Case("gelu", x(3, 4), approximate="tanh"), Case("prelu", away(2, 3, 4), x(3)), Case("prelu", away(3, 4), x(1)),
    Case("batch_norm", x(4, 3, 2), const(3), weights(3), x(3), x(3)), Case("batch_norm", x(2, 3, 2, 2), const(3), weights(3)),
    Case("instance_norm", x(2, 3, 4), const(3), weights(3), use_input_stats=False),
    Case("cross_entropy", x(4, 3), probabilities(4, 3), weights(3)), Case("cross_entropy", x(4, 3), probabilities(4, 3), reduction="none", label_smoothing=0.1),
    Case("nll_loss", x(5, 4), ints(4, 5), weights(4), ignore_index=2), Case("nll_loss", x(2, 3, 4), ints(3, 2, 4), reduction="sum"),
    Case("mse_loss", x(3, 4), x(3, 4)), Case("l1_loss", x(3, 4), x(3, 4), reduction="sum"), Case("smooth_l1_loss", x(3, 4), x(3, 4)),
    Case("smooth_l1_loss", x(3, 4), x(3, 4), reduction="none", beta=0.3),
    Case("binary_cross_entropy_with_logits", x(3, 4), unit(3, 4)),
    Case("binary_cross_entropy_with_logits", x(3, 4), unit(3, 4), weights(4), reduction="sum", pos_weight=weights(4)),
    Case("kl_div", x(4, 3), positive(4, 3), reduction="batchmean"), Case("kl_div", x(4, 3), x(4, 3), log_target=True),
    Case("interpolate", x(1, 2, 3, 4), (5, 6)), Case("interpolate", x(2, 2, 5), scale_factor=1.7, mode="linear"),
    Case("interpolate", x(2, 2, 3, 4), (5, 3), mode="bilinear"), Case("interpolate", x(2, 2, 4), 3, mode="nearest-exact"),
    Case("interpolate", x(2, 2, 3, 4), scale_factor=2.0, mode="bilinear", align_corners=True),
    Case("pixel_shuffle", x(2, 8, 2, 3), 2), Case("pixel_unshuffle", x(2, 2, 4, 6), 2),
]

CONVENTIONS = [
    Case("abs", ties(3, 4), kink=True), Case("relu", ties(3, 4), kink=True), Case("clamp", ties(3, 4), 0, 1, kink=True),
    Case("hardtanh", ties(3, 4), kink=True), Case("relu6", ties(3, 4), kink=True), Case("leaky_relu", ties(3, 4), kink=True),
    Case("elu", ties(3, 4), kink=True), Case("maximum", ties(3, 4), ties(4), kink=True), Case("minimum", ties(3, 4), ties(3, 4), kink=True),
    Case("amax", ties(4, 5), 1, kink=True), Case("amin", ties(4, 5), kink=True), Case("max", ties(4, 5), 1, kink=True),
    Case("max", ties(4, 5), kink=True), Case("max_pool2d", ties(2, 2, 5, 6), 3, 2, 1, kink=True), Case("norm", ties(5, 2), 2, 1, kink=True),
    Case("adaptive_max_pool2d", ties(2, 2, 5, 6), 3, kink=True), Case("l1_loss", ties(3, 4), ties(3, 4), kink=True),
    Case("smooth_l1_loss", ties(3, 4), ties(3, 4), kink=True), Case("pow", ties(3, 4), 2, kink=True), Case("pow", ties(3, 4), 0, kink=True),
    Case("prelu", ties(3, 4), x(4), kink=True), Case("clamp", ties(3, 4), ties(4), kink=True), Case("sort", ties(4, 5), stable=True,
                                                                                                    kink=True),
    Case("prod", ties(4, 5), 1, kink=True), Case("softplus", ties(3, 4), 1, 1, kink=True), Case("norm", ties(3, 4), 1, kink=True),
    Case("embedding", ints(4, 6), x(4, 5), 2, kink=True),
]

VALUES = [
    *[Case(name, ties(3, 4), ties(4)) for name in ("eq", "ne", "lt", "le", "gt", "ge")],
    *[Case(name, mask(3, 4), mask(4)) for name in ("logical_and", "logical_or")], Case("logical_not", mask(3)),
    *[Case(name, ints(8, 3, 4), ints(8, 4)) for name in ("bitwise_and", "bitwise_or", "bitwise_xor")],
    Case("bitwise_not", ints(8, 3)),
    *[Case(name, x(3, 4)) for name in ("isnan", "isinf", "isfinite", "sign", "floor", "ceil", "round")],
    Case("floor_divide", x(3, 4), away(4)),
    Case("argmax", distinct(3, 4)), Case("argmax", distinct(3, 4), 1, True), Case("argmin", distinct(3, 4), 0),
    Case("argsort", distinct(3, 4), 0), Case("argsort", distinct(3, 4), -1, True), Case("all", mask(3, 2), 1), Case("any", mask(3, 2)),
    Case("one_hot", ints(4, 2, 3), 5),
]

EXEMPT = {
    "Untracked": "its result has no gradient: comparisons, rounding, signs",
    "_Index": "its result is an index or a truth value",
    "Extreme": "what AMax and AMin have in common, never called itself",
    "batch_norm_with_statistics": "the inside of batch_norm; it gives arrays beside its result",
    "setitem": "x[index] = value, which PROOFS calls in that form",
    "cast": "Cast, whose float32 no finite difference could see through; PROOFS calls the op itself",
}


def all_cases():
    """(section, case) for every call in the tables above whose gradient is checked."""
    for name, cases in PROOFS.items():
        for case in cases:
            yield name, case
    for case in COMPOSED:
        yield case.name, case


def op_classes(base=minidl.Op):
    """Every class of op in minidl, the most basic first."""
    for cls in base.__subclasses__():
        if cls.__module__.startswith("minidl.") and "gradcheck" not in cls.__module__ and cls not in (minidl.Elementwise, minidl.Fused):
            yield cls
        yield from op_classes(cls)
