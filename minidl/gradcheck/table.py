"""The calls that prove every op. A new op is proven by a line here, and a test finds the op that has none.

PROOFS      class of op -> calls whose graph contains it
COMPOSED    calls of functions that have no op of their own
CONVENTIONS calls at kinks, where the gradient is what PyTorch and we chose: at ties, bounds and zeros
VALUES      calls whose results have no gradient
EXEMPT      op classes and functions that no call names, and why

x is normal, `away` from 0, `distinct` without ties, `unit` between 0 and 1; const(...) has no gradient. Arguments are
such that the op shows: batches, images that are not square, strides, overlaps, groups, an LRN with alpha near 1.
"""
from dataclasses import replace
from operator import getitem

import minidl
from minidl.gradcheck import calls
from minidl.gradcheck.case import Case, Draw


def drawing(kind): return lambda *shape: Draw(kind, shape)
def ints(limit, *shape): return Draw("ints", shape, limit, constant=True)
def mask(*shape): return Draw("mask", shape, constant=True)
def const(draw): return replace(draw, constant=True)


x, away, wide, huge, positive = (drawing(k) for k in ("x", "away", "wide", "huge", "positive"))
unit, probabilities, distinct = (drawing(k) for k in ("unit", "probabilities", "distinct"))
falling, zeros_in, ties, bits = (drawing(k) for k in ("falling", "zeros_in", "ties", "bits"))
every = slice(None)

PROOFS = {
    # ---- arithmetic
    "Add": [Case("add", x(3, 4), x(4)), Case("add", x(2, 1, 3), x(4, 1), alpha=2.5), Case(calls.twice, x(2, 3))],
    "Sub": [Case("sub", x(3, 1), x(2, 1, 4)), Case("sub", x(3, 4), x(), alpha=-2)],
    "Mul": [Case("mul", x(3, 4), x(3, 1)), Case("mul", x(2, 1, 3), x(4, 1)), Case("mul", x(), x(2, 2)),
            Case("mul", x(3), const(x(3))), Case(calls.twice, x(5))],
    "Div": [Case("div", x(3, 4), away(4)), Case("div", x(1, 3), away(2, 3)), Case("div", const(x(3)), away(3))],
    "Remainder": [Case("remainder", x(3, 4), away(4)), Case("remainder", x(2, 1), away(3)),
                  Case("remainder", x(3), const(away(3)))],
    "Neg": [Case("neg", x(2, 3))],
    "Power": [Case("pow", x(3, 4), 3), Case("pow", positive(3, 4), -1.5), Case("pow", away(3), -2),
              Case("pow", x(3), 1)],
    "Pow": [Case("pow", positive(3, 4), x(4)), Case("pow", positive(2, 1), x(3)), Case("pow", positive(3), x()),
            Case("pow", positive(3), const(x(3))), Case("pow", const(positive(3)), x(3))],
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
    "Maximum": [Case("maximum", distinct(3, 4), const(x(4))), Case("maximum", x(3, 4), x(3, 1)),
                Case("maximum", x(3, 4), x(3, 4))],
    "Minimum": [Case("minimum", x(3, 4), x(4)), Case("minimum", x(2, 1, 3), x(4, 1)),
                Case("minimum", x(3, 4), x(3, 4))],
    "Clamp": [Case("clamp", x(3, 4), -0.5, 0.7), Case("clamp", x(3, 4), min=0.1), Case("clamp", x(3, 4), max=0.1)],
    "Where": [Case("where", mask(3, 4), x(3, 4), x(4)), Case("where", mask(4), x(3, 1), x(1, 4)),
              Case("masked_fill", x(3, 4), mask(4), 2.0)],
    "Cast": [Case(calls.cast_to_itself, x(2, 3), torch=lambda x: x.double())],
    # ---- indexing
    "GetItem": [Case(getitem, x(4, 5), (slice(None, None, 2), slice(1, 4))), Case(getitem, x(3, 4), (1, -1)),
                Case(getitem, x(4, 5), ([0, 2, 2],)), Case(getitem, x(4, 5), ([0, 3, 0], [1, 1, 1])),
                Case(getitem, x(4, 5), mask(4, 5)), Case(getitem, x(2, 3, 4), (..., None, 1)),
                Case(getitem, x(2, 3, 4), (every, [2, 0, 2], slice(1, 3))), Case(calls.first_row, x(3, 4), x(4))],
    "GetItemGradient": [
        Case(calls.getitem_gradient, x(3, 4), ([0, 2, 2],), (5, 4), torch=calls.torch_getitem_gradient),
        Case(calls.getitem_gradient, x(2), (slice(0, 4, 2), 1), (4, 3), torch=calls.torch_getitem_gradient)],
    "SetItem": [Case(calls.assigned, x(4, 5), (slice(1, 3),), x(5)),
                Case(calls.assigned, x(4, 5), ([3, 0],), x(2, 1)),
                Case(calls.assigned, x(4, 5), mask(4, 5), x()), Case(calls.assigned, x(3, 4), (every, 2), 1.5),
                Case(calls.assigned, const(x(3, 4)), 1, x(4)), Case(calls.assigned, x(3, 4), 1, const(x(4)))],
    "Gather": [Case("gather", x(4, 5), 0, ints(4, 2, 5)), Case("gather", x(4, 5), -1, ints(5, 3, 7)),
               Case("gather", x(2, 3, 4), 1, ints(3, 2, 5, 3))],
    "ScatterAdd": [Case(calls.scattered, x(4, 3), ints(2, 4, 3), 0, (2, 3), torch=calls.torch_scattered),
                   Case(calls.scattered, x(2, 5), ints(3, 2, 5), 1, (4, 3), torch=calls.torch_scattered),
                   Case("scatter_add", x(3, 5), 1, ints(5, 2, 4), x(2, 4))],
    # ---- matrix
    "MatMul": [Case("matmul", x(3, 4), x(4, 5)), Case("matmul", x(4), x(4)), Case("matmul", x(4), x(2, 4, 3)),
               Case("matmul", x(2, 3, 4), x(4)), Case("matmul", x(2, 1, 3, 4), x(3, 4, 2)),
               Case("matmul", x(5, 2, 3), x(3, 4)), Case("mm", x(3, 4), x(4, 2)),
               Case("bmm", x(2, 3, 4), x(2, 4, 5)),
               Case("dot", x(4), x(4)), Case(calls.with_itself, x(3, 3))],
    "Einsum": [Case("einsum", "ij,jk->ik", x(3, 4), x(4, 2)),
               Case("einsum", "bij,bkj->bik", x(2, 3, 4), x(2, 5, 4)),
               Case("einsum", "ij,j,jk->ki", x(3, 4), x(4), x(4, 2)), Case("einsum", "ijk->j", x(2, 3, 4)),
               Case("einsum", "...i,i...->...", x(2, 3, 4), x(4, 2, 3)), Case("einsum", "ii->i", x(3, 3)),
               Case("einsum", "ij,kj", x(2, 3), x(4, 3)), Case("einsum", "iij,j->", x(2, 2, 3), x(3))],
    "Linear": [Case("linear", x(5, 4), x(3, 4), x(3)), Case("linear", x(2, 5, 4), x(3, 4)),
               Case("linear", x(4), x(3, 4), x(3)),
               Case("linear", x(1, 4), x(3, 4), x(3)), Case("linear", const(x(2, 4)), x(3, 4), x(3)),
               Case("linear", x(2, 4), const(x(3, 4)), const(x(3))),
               Case("linear", const(x(2, 4)), const(x(3, 4)), x(3))],
    # ---- reduction
    "Sum": [Case("sum", x(3, 4)), Case("sum", x(2, 3, 4), (0, -1), True), Case("sum", x(2, 3, 4), 1),
            Case("mean", x(2, 3, 4), (0, 2)), Case("mean", x(3, 4), -1, True), Case("mean", x(3, 4)),
            Case("var", x(2, 3, 4), (0, 2)), Case("var", x(3, 4), 0, correction=0, keepdim=True),
            Case("std", x(3, 4), -1, correction=2), Case("std", x(3, 4)),
            Case("var_mean", x(2, 3, 4), (0, 2), correction=0)],
    "AMax": [Case("amax", distinct(3, 4)), Case("amax", distinct(2, 3, 4), (0, 2)),
             Case("amax", distinct(3, 4), -1, True),
             Case("max", distinct(3, 4))],
    "AMin": [Case("amin", distinct(3, 4)), Case("amin", distinct(2, 3, 4), (0, 2)),
             Case("amin", distinct(3, 4), 0, True),
             Case("min", distinct(3, 4))],
    "LogSumExp": [Case("logsumexp", x(3, 4), 1), Case("logsumexp", x(2, 3, 4), (0, 2)),
                  Case("logsumexp", x(3, 4), -1, True), Case("logsumexp", huge(3, 4), 0)],
    "Norm": [Case("norm", x(3, 4)), Case("norm", x(2, 3, 4), 2, (0, 2)), Case("norm", x(3, 4), 2, -1, True)],
    "CumSum": [Case("cumsum", x(3, 4), 0), Case("cumsum", x(2, 3, 4), -2)],
    "CumProd": [Case("cumprod", x(3, 5), 1), Case("cumprod", zeros_in(4, 5), -1), Case("cumprod", x(3, 2, 2), 0)],
    "Prod": [Case("prod", x(2, 3)), Case("prod", x(2, 3, 4), 1), Case("prod", zeros_in(4, 5), -1, True),
             Case(calls.prod_of_rows, zeros_in(4, 3), torch=lambda x: x.prod(1))],
    # ---- shape
    "Reshape": [Case("reshape", x(2, 3, 4), (4, -1)), Case("flatten", x(2, 3, 4), 1),
                Case("unsqueeze", x(2, 3), -1),
                Case("squeeze", x(1, 3, 1), 0), Case("squeeze", x(1, 3, 1)),
                Case("unflatten", x(2, 6), 1, (3, -1)),
                Case("view", x(2, 3), (3, 2))],
    "Permute": [Case("permute", x(2, 3, 4), (2, 0, 1)), Case("transpose", x(2, 3, 4), -1, 0), Case("t", x(2, 3))],
    "Expand": [Case("expand", x(3, 1), (2, 3, 4)), Case("expand", x(1, 4), (3, -1)),
               Case("repeat", x(2, 3), (2, 1, 2))],
    "SumTo": [Case("sum_to", x(2, 3, 4), (3, 1), torch="sum_to_size"),
              Case("sum_to", x(2, 3), (1,), torch="sum_to_size")],
    "Flip": [Case("flip", x(3, 4), (0,)), Case("flip", x(2, 3, 4), (0, -1))],
    "Pad": [Case("pad", x(2, 3), (1, 2)), Case("pad", x(2, 3, 4), (1, 0, 0, 2), value=1.5),
            Case("pad", x(3, 4), (-1, 2, 1, -1))],
    "Cat": [Case("cat", [x(2, 3), x(4, 3), x(1, 3)]), Case("cat", [x(2, 3), x(2, 1)], -1),
            Case("cat", [x(2, 3), const(x(2, 3))]), Case("stack", [x(2, 3), x(2, 3)], 1)],
    "Clone": [Case("clone", x(2, 3))],
    "Alias": [Case("alias", x(2, 3), torch="clone"), Case("split", x(5, 3), 2),
              Case("split", x(3, 6), (1, 3, 2), -1),
              Case("chunk", x(3, 5), 2, 1), Case("unbind", x(2, 3)), Case(calls.first_half, x(4, 3))],
    # ---- activation
    "ReLU": [Case("relu", away(3, 4)), Case("relu", away(5, 7))],
    "ReLUGradient": [Case(calls.relu_gradient, x(3, 4), away(3, 4), torch=calls.torch_relu_gradient)],
    "LeakyReLU": [Case("leaky_relu", away(3, 4), 0.2)],
    "ELU": [Case("elu", away(3, 4), 1.3), Case("elu", away()), Case("selu", away(3, 4))],
    "GELU": [Case("gelu", x(3, 4))],
    "SiLU": [Case("silu", x(3, 4))],
    "Softplus": [Case("softplus", wide(3, 4)), Case("softplus", x(3, 4), 1.5, 0.5)],
    "Hardtanh": [Case("hardtanh", x(3, 4), -0.5, 0.8), Case("relu6", wide(3, 4)), Case("hardtanh", x(4, 5))],
    "Hardsigmoid": [Case("hardsigmoid", wide(6, 9))],
    "Hardswish": [Case("hardswish", wide(6, 9))],
    "Softmax": [Case("softmax", x(3, 4), 1), Case("softmax", x(2, 3, 2), 0), Case("softmax", x(2, 3, 4), -2),
                Case("softmax", huge(3, 4), 1)],
    "LogSoftmax": [Case("log_softmax", x(3, 4), 1), Case("log_softmax", x(2, 3, 4), -2),
                   Case("log_softmax", huge(3, 4), 1)],
    # ---- convolution
    "Im2Col": [Case(calls.im2col, x(2, 2, 5, 6), (3, 2), (2, 1), (1, 0), (1, 2), torch=calls.torch_im2col),
               Case("unfold", x(2, 2, 5, 4), (2, 3), 1, (0, 1), (2, 1))],
    "Col2Im": [Case(calls.col2im, x(2, 2, 3, 2, 3, 4), (2, 2, 5, 6), (2, 1), (1, 0), (1, 2), torch=calls.torch_col2im),
               Case("fold", x(2, 12, 8), (5, 4), (2, 3), 1, (0, 1), (2, 1))],
    "Conv2d": [
        Case("conv2d", x(3, 3, 6, 5), x(4, 3, 3, 2), x(4)), Case("conv2d", x(3, 5, 6), x(2, 3, 3, 3), x(2), 2),
        Case("conv2d", x(2, 4, 6, 7), x(6, 2, 3, 2), x(6), (2, 1), (1, 2), (1, 2), groups=2),
        Case("conv2d", x(1, 2, 6, 6), x(3, 2, 3, 3), stride=3, padding="valid"),
        Case("conv2d", x(2, 2, 5, 4), x(3, 2, 2, 3), None, padding="same"),
        Case("conv2d", x(3, 3, 7, 6), x(6, 1, 3, 2), x(6), (2, 1), (1, 2), (2, 3), groups=3),          # depthwise
        Case("conv2d", x(2, 2, 4, 5), x(4, 1, 3, 3), x(4), 2, 1, groups=2),
        Case("conv2d", x(2, 3, 5, 4), x(6, 1, 2, 3), x(6), 1, (0, 2), 2, groups=3),
        Case("conv2d", x(2, 2, 4, 3), x(2, 1, 3, 3), None, 1, 1, groups=2),
        Case("conv2d", x(2, 2, 5, 6), x(4, 1, 3, 2), None, 2, 1, groups=2),
        Case("conv2d", x(2, 2, 4, 5), x(4, 1, 3, 3), None, 1, (1, 2), (2, 1), groups=2),
        Case("conv2d", x(3, 4, 3, 4), x(6, 2, 1, 1), x(6), groups=2),                                  # 1x1
        Case("conv2d", x(2, 2, 3, 5), x(3, 2, 1, 1), None, 2),
        Case("conv2d", x(2, 3, 4, 3), x(5, 3, 4, 3), x(5)),                                            # one window
        Case("conv2d", x(6, 2, 3, 3), x(2, 2, 2, 2)),                                                  # many images
        Case("conv2d", x(6, 1, 4, 4), x(2, 1, 2, 2), None, 2, 1, (1, 2)),
        Case("conv2d", x(1, 2, 4, 4), const(x(3, 2, 2, 2)), const(x(3))),
        Case("conv2d", const(x(1, 2, 4, 4)), x(3, 2, 2, 2)),
        Case("conv2d", const(x(1, 2, 4, 4)), const(x(3, 2, 2, 2)), x(3)),
        Case("conv1d", x(2, 4, 7), x(6, 2, 3), x(6), 2, 1, 2, 2),
        Case("conv1d", x(2, 2, 5), x(3, 2, 2), padding="same")],
    "ConvTranspose2d": [
        Case("conv_transpose2d", x(2, 3, 4, 3), x(3, 4, 3, 2), x(4)),
        Case("conv_transpose2d", x(2, 4, 3, 4), x(4, 3, 3, 2), x(6), (2, 3), (1, 0), (1, 2), 2, (1, 2)),
        Case("conv_transpose2d", x(4, 3, 4), x(4, 1, 3, 3), None, 2, 1, groups=4),
        Case("conv_transpose2d", x(2, 2, 2, 3), x(2, 2, 3, 2), None, (2, 1), 1, (2, 0), 1, (3, 2)),
        Case("conv_transpose2d", x(1, 2, 3, 3), const(x(2, 3, 2, 2)), const(x(3))),
        Case("conv_transpose2d", const(x(1, 2, 3, 3)), x(2, 3, 2, 2)),
        Case("conv_transpose2d", const(x(1, 2, 3, 3)), const(x(2, 3, 2, 2)), x(3)),
        Case("conv_transpose1d", x(2, 4, 5), x(4, 3, 3), x(6), 2, 1, 1, 2, 2)],
    # ---- pooling
    "MaxPool2d": [
        Case("max_pool2d", distinct(2, 2, 6, 5), 2),
        Case("max_pool2d", distinct(2, 2, 6, 7), (3, 2), (2, 1), (1, 1)),
        Case("max_pool2d", distinct(1, 2, 7, 6), 3, 2, 1, 1, True),
        Case("max_pool2d", distinct(2, 7, 8), 2, 2, 1, (2, 3)),
        Case("max_pool2d", distinct(2, 1, 5, 5), 3, 1, return_indices=True),
        Case("max_pool2d", falling(1, 2, 4, 4), 2),
        Case("max_pool1d", distinct(2, 3, 7), 3, 2, 1, 1, True, True)],
    "AvgPool2d": [
        Case("avg_pool2d", x(2, 2, 6, 4), 2), Case("avg_pool2d", x(1, 2, 4, 6), 2, 2, 0, False, True, 5),
        Case("avg_pool2d", x(2, 2, 6, 5), 2), Case("avg_pool2d", x(2, 2, 6, 7), (3, 2), (2, 1), (1, 1)),
        Case("avg_pool2d", x(1, 2, 7, 6), 3, 2, 1, True, False), Case("avg_pool2d", x(1, 2, 6, 6), 5, 2, 2, True),
        Case("avg_pool2d", x(1, 1, 5, 7), 4, 2, 1, True), Case("avg_pool2d", x(1, 1, 4, 6), 7, 2, 3, True),
        Case("avg_pool2d", x(1, 1, 3, 20), 2, 1), Case("avg_pool2d", x(1, 1, 4, 37), 2),
        Case("avg_pool2d", x(1, 1, 7, 5), (3, 2), 2), Case("avg_pool2d", x(1, 1, 4, 5), 2, (1, 2)),
        Case("avg_pool2d", x(2, 5, 6), (2, 3), 2, 0, False, True, 5), Case("avg_pool1d", x(2, 3, 7), 3, 2, 1)],
    "AdaptiveAvgPool2d": [
        Case("adaptive_avg_pool2d", x(2, 3, 7, 5), (3, 2)), Case("adaptive_avg_pool2d", x(2, 3, 4, 5), 1),
        Case("adaptive_avg_pool2d", x(2, 4, 5), (None, 7)), Case("adaptive_avg_pool1d", x(2, 3, 7), 3)],
    "AdaptiveMaxPool2d": [
        Case("adaptive_max_pool2d", distinct(2, 2, 7, 5), (3, 2)),
        Case("adaptive_max_pool2d", distinct(2, 4, 5), (None, 7)),
        Case("adaptive_max_pool1d", distinct(2, 3, 7), 3, return_indices=True)],
    # ---- normalization
    "BatchNorm": [
        Case("batch_norm", x(3, 2, 4, 5), None, None, x(2), x(2), True, eps=0.1),
        Case("batch_norm", x(5, 3), None, None, x(3), x(3), True),
        Case("batch_norm", x(3, 5, 2), None, None, x(5), x(5), True, eps=0.1),
        Case("batch_norm", x(2, 2, 4, 8), None, None, x(2), x(2), True),
        Case("batch_norm", x(3, 2, 4), None, None, training=True),
        Case("batch_norm", x(3, 2, 4), None, None, None, x(2), True)],
    "LayerNorm": [
        Case("layer_norm", x(3, 4, 2), (4, 2), x(4, 2), x(4, 2), 0.1), Case("layer_norm", x(3, 5), (5,)),
        Case("layer_norm", x(2, 3, 5), (5,), None, x(5))],
    "GroupNorm": [
        Case("group_norm", x(2, 6, 3), 2, x(6), x(6), 0.1), Case("group_norm", x(3, 6), 2),
        Case("group_norm", x(2, 4, 2, 4), 2, x(4), x(4), 0.1), Case("group_norm", x(2, 4, 9), 1),
        Case("instance_norm", x(2, 3, 2, 4), None, None, x(3), x(3), eps=0.1)],
    "LocalResponseNorm": [
        Case("local_response_norm", x(2, 7, 2, 3), 5, 1.2, 0.75, 2.0),
        Case("local_response_norm", x(2, 5, 3), 2, 0.9, 0.6),
        Case("local_response_norm", x(2, 3, 4), 9, 1.5)],
    # ---- loss
    "CrossEntropy": [
        Case("cross_entropy", x(5, 4), ints(4, 5)), Case("cross_entropy", x(4), ints(4)),
        Case("cross_entropy", huge(5, 4), ints(4, 5)),
        Case("cross_entropy", x(6, 4), ints(4, 6), const(positive(4)), ignore_index=2, label_smoothing=0.1),
        Case("cross_entropy", x(2, 3, 2, 4), ints(3, 2, 2, 4), const(positive(3)), reduction="none"),
        Case("cross_entropy", x(5, 3), ints(3, 5), ignore_index=1, reduction="sum", label_smoothing=0.2)],
    "BinaryCrossEntropy": [
        Case("binary_cross_entropy", unit(3, 4), unit(3, 4)),
        Case("binary_cross_entropy", unit(3, 4), const(bits(3, 4))),
        Case("binary_cross_entropy", const(unit(3, 4)), unit(3, 4), const(positive(4)), reduction="none")],
    "BinaryCrossEntropyWithLogits": [
        Case("binary_cross_entropy_with_logits", x(3, 4), unit(3, 4)),
        Case("binary_cross_entropy_with_logits", x(3, 4), const(bits(3, 4)), const(positive(4)), reduction="none"),
        Case("binary_cross_entropy_with_logits", x(3, 4), unit(3, 4), const(positive(4)), reduction="sum",
             pos_weight=const(positive(4))),
        Case("binary_cross_entropy_with_logits", x(3, 4), unit(3, 4), pos_weight=positive(4), torch=None)],
    "SmoothL1": [Case("smooth_l1_loss", x(3, 4), x(3, 4)),
                 Case("smooth_l1_loss", x(3, 4), x(3, 4), reduction="none", beta=0.3)],
    # ---- dropout
    "Dropout": [Case("dropout", x(4, 5), 0.4, seeded=True, torch=None),
                Case("dropout2d", x(3, 4, 2, 2), seeded=True, torch=None),
                Case("dropout1d", x(3, 4, 2), 0.3, seeded=True, torch=None),
                Case("drop_path", x(6, 2, 2), seeded=True, torch=None)],
    # ---- nn/hooks
    "Gate": [Case(calls.with_hooks, x(3, 4), x(4), torch=lambda x, y: x * y + x)],
    "Pass": [Case(calls.with_hooks, x(2, 3), x(2, 3), torch=lambda x, y: x * y + x)],
}

COMPOSED = [
    Case("outer", x(3), x(4)), Case("narrow", x(3, 5), 1, -3, 2), Case("index_select", x(4, 3), 0, ints(4, 6)),
    Case("embedding", ints(4, 2, 3), x(4, 5)), Case("contiguous", x(2, 3), torch="clone"),
    Case("norm", away(3, 4), 1, 0), Case("norm", away(3, 4), 3, -1, True),
    Case("norm", distinct(3, 4), float("inf"), 1),
    Case("norm", distinct(3, 4), -float("inf"), 1), Case("normalize", x(3, 4)),
    Case("normalize", away(3, 4), 1.5, 0),
    Case("max", distinct(3, 4), 1), Case("min", distinct(2, 3, 4), -2, True), Case("max", x(3, 4), x(3, 4)),
    Case("sort", distinct(3, 4)), Case("sort", distinct(3, 4), 0, True), Case("topk", distinct(3, 6), 2),
    Case("topk", distinct(5, 3), 2, 0, False), Case("clamp", x(4, 5), x(5), const(positive(5))),
    Case("pad", x(1, 2, 4, 5), (2, 1, 1, 2), "reflect"), Case("pad", x(1, 2, 3, 4), (1, 2, 3, 1), "replicate"),
    Case("pad", x(2, 2, 4), (1, 2), "circular"),
    Case("gelu", x(3, 4), approximate="tanh"), Case("prelu", away(2, 3, 4), x(3)), Case("prelu", away(3, 4), x(1)),
    Case("batch_norm", x(4, 3, 2), const(x(3)), const(positive(3)), x(3), x(3)),
    Case("batch_norm", x(2, 3, 2, 2), const(x(3)), const(positive(3))),
    Case("instance_norm", x(2, 3, 4), const(x(3)), const(positive(3)), use_input_stats=False),
    Case("cross_entropy", x(4, 3), probabilities(4, 3), const(positive(3))),
    Case("cross_entropy", x(4, 3), probabilities(4, 3), reduction="none", label_smoothing=0.1),
    Case("nll_loss", x(5, 4), ints(4, 5), const(positive(4)), ignore_index=2),
    Case("nll_loss", x(2, 3, 4), ints(3, 2, 4), reduction="sum"), Case("mse_loss", x(3, 4), x(3, 4)),
    Case("l1_loss", x(3, 4), x(3, 4), reduction="sum"),
    Case("kl_div", x(4, 3), positive(4, 3), reduction="batchmean"),
    Case("kl_div", x(4, 3), x(4, 3), log_target=True),
    Case("interpolate", x(1, 2, 3, 4), (5, 6)), Case("interpolate", x(2, 2, 5), scale_factor=1.7, mode="linear"),
    Case("interpolate", x(2, 2, 3, 4), (5, 3), mode="bilinear"),
    Case("interpolate", x(2, 2, 4), 3, mode="nearest-exact"),
    Case("interpolate", x(2, 2, 3, 4), scale_factor=2.0, mode="bilinear", align_corners=True),
    Case("pixel_shuffle", x(2, 8, 2, 3), 2), Case("pixel_unshuffle", x(2, 2, 4, 6), 2),
]

CONVENTIONS = [
    *[Case(name, ties(3, 4)) for name in ("abs", "relu", "relu6", "hardtanh", "leaky_relu", "elu")],
    Case("clamp", ties(3, 4), 0, 1), Case("clamp", ties(3, 4), ties(4)), Case("prelu", ties(3, 4), x(4)),
    Case("maximum", ties(3, 4), ties(4)), Case("minimum", ties(3, 4), ties(3, 4)),
    Case("softplus", ties(3, 4), 1, 1),
    Case("amax", ties(4, 5), 1), Case("amin", ties(4, 5)), Case("max", ties(4, 5), 1), Case("max", ties(4, 5)),
    Case("norm", ties(5, 2), 2, 1), Case("norm", bits(4, 3), 1), Case("prod", ties(4, 5), 1),
    Case("sort", ties(4, 5), stable=True),
    Case("max_pool2d", ties(2, 2, 5, 6), 3, 2, 1), Case("adaptive_max_pool2d", ties(2, 2, 5, 6), 3),
    Case("l1_loss", ties(3, 4), ties(3, 4)), Case("smooth_l1_loss", ties(3, 4), ties(3, 4)),
    Case("pow", ties(3, 4), 2), Case("pow", ties(3, 4), 0), Case("pow", bits(4, 5), bits(5)),
    Case("binary_cross_entropy", bits(4, 5), const(unit(4, 5))), Case("embedding", ints(4, 6), x(4, 5), 2),
]

VALUES = [
    *[Case(name, ties(3, 4), ties(4)) for name in ("eq", "ne", "lt", "le", "gt", "ge")],
    *[Case(name, mask(3, 4), mask(4)) for name in ("logical_and", "logical_or")], Case("logical_not", mask(3)),
    *[Case(name, ints(9, 3, 4), ints(9, 4)) for name in ("bitwise_and", "bitwise_or", "bitwise_xor")],
    Case("bitwise_not", ints(9, 3, 4)),
    *[Case(name, x(3, 4)) for name in ("isnan", "isinf", "isfinite", "sign", "floor", "ceil", "round")],
    Case("floor_divide", x(3, 4), away(4)), Case("all", mask(3, 2), 1), Case("any", mask(3, 2)),
    Case("argmax", distinct(3, 4)), Case("argmax", distinct(3, 4), 1, True), Case("argmin", distinct(3, 4), 0),
    Case("argsort", distinct(3, 4), 0), Case("argsort", distinct(3, 4), -1, True),
    Case("one_hot", ints(4, 2, 3), 5),
]

EXEMPT = {
    "ToDevice": "there is a second device only where there is a GPU, or in tests/gpu, which check it",
    "to_device": "x.to(device), which is how it is called",
    "Untracked": "its result has no gradient: comparisons, rounding, signs",
    "_Index": "its result is an index or a truth value",
    "Extreme": "what AMax and AMin have in common, never called itself",
    "batch_norm_with_statistics": "the inside of batch_norm, which gives arrays beside its result",
    "setitem": "x[index] = value, which is how it is called above",
    "cast": "Cast, through whose float32 no finite difference could see; the op itself is called above",
}


def all_cases():
    """(op or function, call) for every call above whose gradient finite differences can check."""
    for name, cases in PROOFS.items():
        for case in cases:
            yield name, case
    for case in COMPOSED:
        yield case.name, case


def op_classes(base=minidl.Op):
    """Every class of op in minidl."""
    for cls in base.__subclasses__():
        ours = cls.__module__.startswith("minidl.") and not cls.__module__.startswith("minidl.gradcheck")
        if ours and cls not in (minidl.Elementwise, minidl.Fused):
            yield cls
        yield from op_classes(cls)
