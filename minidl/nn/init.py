"""First values of weights. Every function fills its tensor in place and returns it.

Fan-in is the number of inputs that one output of the layer reads, fan-out the number of outputs that one
input reaches: for a weight (out, in, ...) they are in * rest and out * rest. Random numbers come from
`generator`, or from the default one.
"""
import math

import numpy as np

import minidl
from minidl.mode import no_grad


@no_grad()
def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """Uniform in [a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Normal with this mean and standard deviation."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Normal, restricted to [a, b]; the bounds are absolute, not in standard deviations.

    By inversion: uniform numbers between the normal distribution's values at a and b, mapped back.
    """
    if not a < b:
        raise ValueError(f"trunc_normal_: the interval from a={a} to b={b} is empty")
    from scipy.special import ndtr, ndtri  # here, so that `import minidl` need not wait for it
    low, high = ndtr((a - mean) / std), ndtr((b - mean) / std)
    u = (generator or minidl.default_generator).uniform(tensor.shape, minidl.float64)
    return tensor.copy_(minidl.as_tensor(mean + std * ndtri(low + u * (high - low)))).clamp_(a, b)


@no_grad()
def constant_(tensor, val):
    """All the same number."""
    return tensor.fill_(val)


def ones_(tensor):
    """All 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor):
    """All 0."""
    return constant_(tensor, 0.0)


@no_grad()
def eye_(tensor):
    """The identity matrix: a linear layer then hands on its inputs, as far as there is room."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_: fills matrices, and this tensor has shape {tensor.shape}")
    return tensor.copy_(minidl.eye(*tensor.shape, dtype=tensor.dtype))


@no_grad()
def dirac_(tensor, groups=1):
    """A convolution weight (out, in, ...) whose layer hands on its input channels, as far as there is room.

    In each group, filter i is 1 in the middle of channel i and 0 elsewhere. Zagoruyko & Komodakis 2017,
    "DiracNets", arXiv 1706.00388, section 3.1.
    """
    if not 3 <= tensor.ndim <= 5 or tensor.shape[0] % groups:
        raise ValueError("dirac_: fills weights (out, in, ...) of convolutions, out divisible by "
                         f"groups={groups}; this one has shape {tensor.shape}")
    out, channels = tensor.shape[0] // groups, tensor.shape[1]
    middle = [n // 2 for n in tensor.shape[2:]]
    zeros_(tensor)
    for group in range(groups):
        for i in range(min(out, channels)):
            tensor[(group * out + i, i, *middle)] = 1.0
    return tensor


def xavier_uniform_(tensor, gain=1.0, generator=None):
    """Uniform in ±gain sqrt(6 / (fan_in + fan_out)): neither values nor gradients grow from layer to layer.

    Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks",
    equation 16.
    """
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    """Normal of variance gain^2 * 2 / (fan_in + fan_out): Glorot & Bengio 2010, equation 12."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(tensor))), generator)


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Uniform in ±gain sqrt(3 / fan): the variance of `kaiming_normal_`."""
    bound = math.sqrt(3) * kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Normal of standard deviation gain / sqrt(fan); for ReLU, sqrt(2 / fan_in).

    He, Zhang, Ren & Sun 2015, "Delving deep into rectifiers", arXiv 1502.01852, equations 10 and 14.

    a    : negative slope of the leaky ReLU after the layer (0: a ReLU)
    mode : "fan_in" keeps the variance in the forward pass, "fan_out" in the backward pass
    """
    return normal_(tensor, 0.0, kaiming_std(tensor, a, mode, nonlinearity), generator)


@no_grad()
def orthogonal_(tensor, gain=1, generator=None):
    """gain times a random matrix (out, rest) with orthonormal rows, or columns where there are fewer of them.

    Saxe, McClelland & Ganguli 2013, "Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks", arXiv 1312.6120. The Q of a random normal matrix's QR decomposition, with the signs
    chosen so that R has a positive diagonal: then every orthogonal matrix is equally likely.
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: fills matrices and weights of convolutions, not shape {tensor.shape}")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    tall = max(rows, columns), min(rows, columns)
    q, r = np.linalg.qr((generator or minidl.default_generator).normal(tall, minidl.float64))
    q = q * np.sign(np.diagonal(r))
    return tensor.copy_(minidl.as_tensor(gain * (q if rows >= columns else q.T).reshape(tensor.shape)))


def delta_orthogonal_(tensor, gain=1, generator=None):
    """A convolution weight (out, in, ...), out >= in, that is an isometry: |y| = gain |x|, whatever the padding.

    A matrix with orthonormal columns in the middle of the filters, 0 elsewhere: Xiao et al. 2018, "Dynamical isometry
    and a mean field theory of CNNs", arXiv 1806.05393, section 2.3. orthogonal_ makes the flattened weight orthogonal,
    and the convolution no isometry, because patches overlap.
    """
    if not 3 <= tensor.ndim <= 5 or tensor.shape[0] < tensor.shape[1]:
        raise ValueError("delta_orthogonal_: fills weights (out, in, ...) of convolutions with at least as many filters "
                         f"as channels; this one has shape {tensor.shape}")
    matrix = orthogonal_(minidl.empty(tensor.shape[:2], dtype=minidl.float64), gain, generator)
    zeros_(tensor)
    with no_grad():
        tensor[(..., *[n // 2 for n in tensor.shape[2:]])] = matrix
    return tensor


def looks_linear_(tensor, gain=1, generator=None):
    """A weight (out, 2 n, ...) that reads a CReLU, relu(x) beside relu(-x), as if it read x: (W, -W), W orthogonal.

    W relu(x) - W relu(-x) = W x, so that a network of such layers starts linear: Balduzzi et al. 2017, "The shattered
    gradients problem", arXiv 1702.08591, section 5. W is an orthogonal matrix, or a delta-orthogonal filter.
    """
    if tensor.ndim < 2 or tensor.shape[1] % 2:
        raise ValueError(f"looks_linear_: fills weights (out, 2 n, ...) that read a CReLU, not shape {tensor.shape}")
    half = minidl.empty((tensor.shape[0], tensor.shape[1] // 2, *tensor.shape[2:]), dtype=tensor.dtype)
    (orthogonal_ if tensor.ndim == 2 else delta_orthogonal_)(half, gain, generator)
    with no_grad():
        return tensor.copy_(minidl.cat([half, -half], 1))


GAINS = {"linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv_transpose2d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3,
         "relu": math.sqrt(2), "selu": 3 / 4}


def calculate_gain(nonlinearity, param=None):
    """By how much weights should be larger because of the nonlinearity after them; PyTorch's table.

    nonlinearity : a name of GAINS, or "leaky_relu", whose gain sqrt(2 / (1 + a^2)) has the slope a = param
                   (default 0.01): He et al. 2015, equation 15
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in GAINS:
        raise ValueError(f"calculate_gain: no gain is known for {nonlinearity!r}, only for leaky_relu, "
                         f"{', '.join(GAINS)}")
    return GAINS[nonlinearity]


def kaiming_std(tensor, a, mode, nonlinearity):
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f'kaiming: mode is "fan_in" or "fan_out", not {mode!r}')
    fan_in, fan_out = fans(tensor)
    return calculate_gain(nonlinearity, a) / math.sqrt(max(1, fan_in if mode == "fan_in" else fan_out))


def fans(tensor):
    """(fan_in, fan_out) of a weight (out, in, ...)."""
    if tensor.ndim < 2:
        raise ValueError(f"fan-in and fan-out need a weight (out, in, ...), not one of shape {tensor.shape}")
    size = math.prod(tensor.shape[2:])
    return tensor.shape[1] * size, tensor.shape[0] * size
