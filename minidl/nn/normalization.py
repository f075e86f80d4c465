"""Normalisation layers."""
import minidl
from minidl.nn import functional as F
from minidl.nn.module import Module
from minidl.nn.parameter import Parameter


class _Norm(Module):
    """A weight of ones and a bias of zeros, or neither."""

    def make_affine(self, shape, affine, bias):
        self.register_parameter("weight", Parameter(minidl.ones(shape)) if affine else None)
        self.register_parameter("bias", Parameter(minidl.zeros(shape)) if affine and bias else None)

    def repr_of(self, *names):
        values = {**vars(self), "has_bias": self.bias is not None}
        return ", ".join([f"{name.removeprefix('has_')}={values[name]}" for name in names])


class _ChannelNorm(_Norm):
    """What batch and instance norm share: settings, and running statistics of the channels."""
    dimensions = ()              # how many an input may have

    def __init__(self, num_features, eps, momentum, affine, track_running_stats, bias):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.make_affine((num_features,), affine, bias)
        start = minidl.zeros(num_features), minidl.ones(num_features), minidl.tensor(0)
        mean, var, count = start if track_running_stats else (None, None, None)
        self.register_buffer("running_mean", mean)
        self.register_buffer("running_var", var)
        self.register_buffer("num_batches_tracked", count)

    def check(self, input):
        if input.ndim not in self.dimensions:
            wanted = " or ".join(map(str, self.dimensions))
            raise ValueError(f"{type(self).__name__}({self.num_features}): expects {wanted} dimensions, and "
                             f"input has shape {tuple(input.shape)}")

    def extra_repr(self):
        settings = self.repr_of("eps", "momentum", "affine", "has_bias", "track_running_stats")
        return f"{self.num_features}, {settings}"


class _BatchNorm(_ChannelNorm):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, *,
                 bias=True):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias)

    def forward(self, input):
        self.check(input)
        if self.running_mean is None:            # then the batch is all there is to go by
            return F.batch_norm(input, None, None, self.weight, self.bias, True, 0.0, self.eps)
        momentum = self.momentum
        if momentum is None:                     # each batch counts the same
            momentum = (1 / (self.num_batches_tracked.to(self.running_mean.dtype) + 1)).array
        y = F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, self.training,
                         momentum, self.eps)
        if self.training:
            self.num_batches_tracked.add_(1)
        return y


class BatchNorm1d(_BatchNorm):
    """Batch norm of (N, C) or (N, C, L), as BatchNorm2d."""
    dimensions = 2, 3


class BatchNorm2d(_BatchNorm):
    """Each channel of (N, C, H, W) to mean 0 and variance 1 over the batch, then times weight plus bias.

    Ioffe & Szegedy 2015, "Batch normalization", arXiv 1502.03167, algorithm 1. In training by the batch's
    own mean and biased variance; afterwards, in eval(), by running ones: running_mean, and running_var, which
    averages the unbiased variance.

    momentum : the weight of the new value in the running averages; None averages all batches equally
    affine   : is there a weight, from 1, and a bias, from 0?
    track_running_stats : False goes by the batch in eval(), too
    """
    dimensions = (4,)


class _InstanceNorm(_ChannelNorm):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=False, track_running_stats=False, *,
                 bias=True):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias)

    def forward(self, input):
        self.check(input)
        if input.ndim == min(self.dimensions):   # one example
            return self(input.unsqueeze(0)).squeeze(0)
        by_input = self.training or self.running_mean is None
        return F.instance_norm(input, self.running_mean, self.running_var, self.weight, self.bias, by_input,
                               self.momentum or 0.0, self.eps)


class InstanceNorm1d(_InstanceNorm):
    """Instance norm of (N, C, L) or (C, L), as InstanceNorm2d."""
    dimensions = 2, 3


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each image, (N, C, H, W) or (C, H, W), to mean 0 and variance 1.

    Ulyanov, Vedaldi & Lempitsky 2016, arXiv 1607.08022.
    """
    dimensions = 3, 4


class LayerNorm(_Norm):
    """The last dimensions of each example, of shape `normalized_shape`, to mean 0 and variance 1.

    Ba, Kiros & Hinton 2016, arXiv 1607.06450; weight and bias have normalized_shape.
    """

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True):
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        self.make_affine(shape, elementwise_affine, bias)

    def forward(self, input):
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{self.normalized_shape}, {self.repr_of('eps', 'elementwise_affine', 'has_bias')}"


class GroupNorm(_Norm):
    """Each image's channels, in num_groups groups, to mean 0 and variance 1.

    Wu & He 2018, "Group normalization", arXiv 1803.08494.
    """

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True, *, bias=True):
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: {num_groups} groups do not divide {num_channels} channels")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.make_affine((num_channels,), affine, bias)

    def forward(self, input):
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{self.num_groups}, {self.num_channels}, {self.repr_of('eps', 'affine', 'has_bias')}"


class LocalResponseNorm(Module):
    """Each number divided by the activity of the `size` channels around it, (N, C, ...).

    Krizhevsky, Sutskever & Hinton 2012, "ImageNet classification with deep convolutional neural networks",
    section 3.3.
    alpha is divided by size, as in PyTorch and Caffe; the paper's alpha, 1e-4 with size 5, is 5e-4 here.
    """

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1.0):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input):
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self):
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
