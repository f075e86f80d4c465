"""A prediction: how long a training step takes on a GPU at the least, kernel by kernel, by its roofline.

No kernel is done sooner than its arithmetic at the GPU's peak, nor than its bytes at the bandwidth of the memory (Williams,
Waterman & Patterson 2009). So a step is run on arrays that have a shape and no numbers, and what kernels the GPU's set would
launch for it is written down, with the operations and the bytes of each. Real kernels reach neither peak. What is kept
between kernels in the GPU's cache (50 MB) is counted as if it went to memory and back, and the launches as if none of them
overlapped with the kernel before; so small networks may be faster than is predicted.
"""
import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

import minidl
import minidl.kernels
from minidl.bench import step
from minidl.bench.report import ms
from minidl.footprint import owner
from minidl.kernels import meta
from minidl.kernels.meta import MetaArray
from minidl.tensor import of


@dataclass(frozen=True)
class GPU:
    """A GPU's peaks: operations and bytes a second. launch: seconds for which a kernel is being launched."""
    name: str
    flops: float
    bandwidth: float
    launch: float


# NVIDIA's data sheet of the H100 SXM: 67 TFLOP/s in float32 without tensor cores (neither minidl nor the PyTorch that it is
# compared with uses TF32), and 3.35 TB/s. A launch is an assumption: a driver's call takes 2 to 5 us, CuPy's some more.
H100 = GPU("H100 SXM", flops=67e12, bandwidth=3.35e12, launch=5e-6)

PRODUCTS, COLUMNS, NORMS, POOLING, OTHERS, UPDATE = KINDS = (
    "products", "columns", "norms", "pooling", "number by number", "update")
LAUNCHES = "launches"


@dataclass(frozen=True)
class Launch:
    """A kernel that is launched once: its kind, its operations, and the bytes it reads and writes."""
    kind: str
    flops: float
    bytes: float

    def seconds(self, gpu):
        """How long it runs at the least."""
        return max(self.flops / gpu.flops, self.bytes / gpu.bandwidth)

    def bound(self, gpu):
        """What it waits for."""
        return "arithmetic" if self.flops / gpu.flops > self.bytes / gpu.bandwidth else "memory"


@dataclass
class Prediction:
    """What a Case's training step comes to on a GPU."""
    case: object
    launches: list
    gpu: GPU = H100

    @property
    def kinds(self):
        """Seconds of the kernels by kind, and for launching them."""
        parts = dict.fromkeys(KINDS, 0.0)
        for one in self.launches:
            parts[one.kind] += one.seconds(self.gpu)
        return parts | {LAUNCHES: self.gpu.launch * len(self.launches)}

    @property
    def bounds(self):
        """Seconds by what the step waits for."""
        parts = Counter({LAUNCHES: self.gpu.launch * len(self.launches)})
        for one in self.launches:
            parts[one.bound(self.gpu)] += one.seconds(self.gpu)
        return parts

    seconds = property(lambda self: sum(self.kinds.values()))
    images_per_second = property(lambda self: self.case.batch / self.seconds)


def predict(case, gpu=H100):
    """The Prediction of a Case: the second of two training steps, for in the first the momentum is made."""
    with minidl.device("meta"):
        model = step.network(case, "minidl")
        images = minidl.empty(case.batch, *step.input_shape(case))
    optimizer = minidl.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    for _ in range(2):
        with Ledger() as ledger:
            training_step(ledger, model, optimizer, images)
    return Prediction(case, ledger.launches, gpu)


def training_step(k, model, optimizer, images):
    """Forward, loss, backward, update. The loss by its kernels, for labels that have no numbers cannot be checked."""
    optimizer.zero_grad()
    scores = model(images)
    N, C = scores.shape
    labels = MetaArray((N, 1), np.int64)
    loss, log_p = k.cross_entropy(scores.array.reshape(N, C, 1), labels, None, -100, 0.0)
    k.sum(loss)
    gx = k.cross_entropy_gradient(k.full((N, 1), 1 / N, loss.dtype), log_p, labels, None, -100, 0.0)
    scores.backward(of(gx.reshape(N, C)))
    optimizer.step()


class Ledger:
    """A kernel set on arrays without numbers that writes down the launches; for the length of a with-block, it is theirs."""

    def __init__(self):
        self.launches, self.inside = [], False

    def __enter__(self):
        self.before = minidl.kernels._set_of[MetaArray]
        minidl.kernels._set_of[MetaArray], MetaArray.watch = self, self.note
        return self

    def __exit__(self, *_):
        minidl.kernels._set_of[MetaArray], MetaArray.watch = self.before, None

    def __getattr__(self, name):
        function = getattr(meta, name)
        if not callable(function) or isinstance(function, type):
            return function

        def noted(*args, **kwargs):
            outermost, self.inside = not self.inside, True         # what a kernel is put together of on shapes is its own
            try:
                y = function(*args, **kwargs)
            finally:
                self.inside = not outermost
            self.note(name, args, y)
            return y
        return noted

    def note(self, name, args, y):
        if not self.inside:
            number_by_number = isinstance(getattr(np, name, None), np.ufunc)
            self.launches += COSTS.get(name, written if number_by_number else one_pass)(args, y)


# ---- what is launched: functions of a kernel's arguments and its result


def arrays(x):
    """The arrays in lists and tuples in each other, each once."""
    parts = [part for one in x for part in arrays(one)] if isinstance(x, (tuple, list)) else [x]
    return list({id(part): part for part in parts if isinstance(part, MetaArray)}.values())


def size(*xs):
    """Bytes of some arrays, where they differ; an array that is broadcast is as large as what it shows."""
    return sum([min(x.nbytes, owner(x).nbytes) for x in arrays(list(xs))])


def one_pass(args, y, kind=OTHERS, passes=0):
    """All arrays are read once and the results written once; and the first array, so many times more."""
    read, new = arrays(list(args)), [x for x in arrays([y]) if x.base is None]
    new = [x for x in new if not any(x is other for other in read)]
    return [Launch(kind, 0, size(*read, *new) + passes * size(*read[:1]))] if new else []


def written(args, y):
    """y is written, be it one of the arguments."""
    return [Launch(OTHERS, 0, size(*args) + y.nbytes)]


def filled(args, y):
    """What is written is all there is."""
    return [Launch(OTHERS, 0, size(y))]


def nothing(args, y):
    return []


def matmul(args, y):
    a, b = args
    return [Launch(PRODUCTS, 2 * y.size * a.shape[-1], size(a, b, y))]


@dataclass
class Convolution:
    """The numbers in a convolution, and the launches that it is made of."""
    N: int
    image: int        # numbers in an image, of all channels
    columns: int      # in its patches
    result: int       # in what comes out
    filters: int
    itemsize: int
    depth: int        # products that are added up for a number of the result
    pointwise: bool   # its patches are its pixels

    @classmethod
    def of(cls, x_shape, w_shape, y_shape, stride, padding, itemsize):
        N, C = x_shape[:2]
        KH, KW = w_shape[2:]
        pointwise = (KH, KW) == tuple(stride) == (1, 1) and not any(padding)
        return cls(N, math.prod(x_shape[1:]), C * KH * KW * math.prod(y_shape[2:]), math.prod(y_shape[1:]),
                   math.prod(w_shape), itemsize, math.prod(w_shape[1:]), pointwise)

    def between(self):
        """Patches are written out, or added up again."""
        return [] if self.pointwise else [Launch(COLUMNS, 0, self.itemsize * self.N * (self.image + self.columns))]

    def product(self, filters):
        """Patches, results, and so many filters; two of them are read and the third is written."""
        columns = self.image if self.pointwise else self.columns
        return Launch(PRODUCTS, 2 * self.N * self.result * self.depth,
                      self.itemsize * (self.N * (columns + self.result) + filters))


def conv2d(args, y):
    x, w, b, stride, padding, *_ = args
    how = Convolution.of(x.shape, w.shape, y.shape, stride, padding, x.itemsize)
    bias = [] if b is None else [Launch(OTHERS, 0, 2 * size(y) + size(b))]
    return [*how.between(), how.product(how.filters), *bias]


def conv2d_gradient_x(args, gx):
    gy, w, shape, stride, padding, *_ = args
    how = Convolution.of(shape, w.shape, gy.shape, stride, padding, gy.itemsize)
    return [how.product(how.filters), *how.between()]


def conv2d_gradient_w(args, gw):
    """Each image has a product of its own, and they are added up."""
    gy, x, kernel_size, stride, padding, *_ = args
    how = Convolution.of(x.shape, gw.shape, gy.shape, stride, padding, x.itemsize)
    of_all = how.N * how.filters
    return [*how.between(), how.product(of_all), Launch(PRODUCTS, 0, how.itemsize * (of_all + how.filters))]


def norm(passes):
    """x is read so many times in all, first for mean and variance."""
    return lambda args, y: one_pass(args, y, NORMS, passes - 1)


def norm_gradient(args, y):
    """gy and x are read twice: for the sums, and for the gradient."""
    gy, x = args[:2]
    sums, gx = [Launch(NORMS, 0, size(gy, x))], one_pass(args, y, NORMS)
    return sums + gx


def in_place(count):
    """An update of the first `count` arguments, those that there are, by the second, which is only read."""
    return lambda args, y: [Launch(UPDATE, 0, size(*args) + size(*[x for i, x in enumerate(args[:count]) if i != 1]))]


def of_kind(kind):
    return lambda args, y: one_pass(args, y, kind)


COSTS = {
    "matmul": matmul, "conv2d": conv2d, "conv2d_gradient_x": conv2d_gradient_x, "conv2d_gradient_w": conv2d_gradient_w,
    "batch_norm": norm(3), "group_norm": norm(3), "local_response_norm": norm(1), "local_response_norm_gradient": norm(1),
    "batch_norm_gradient": norm_gradient, "group_norm_gradient": norm_gradient,
    **dict.fromkeys(["max_pool", "max_pool_gradient", "avg_pool", "avg_pool_gradient", "adaptive_avg_pool",
                     "adaptive_avg_pool_gradient", "adaptive_max_pool"], of_kind(POOLING)),
    "sgd_step": in_place(3), "setitem": written,
    **dict.fromkeys(["zeros", "ones", "full", "zeros_like", "ones_like", "full_like"], filled),
    **dict.fromkeys(["empty", "empty_like"], nothing),
}


# ---- for a person


def table(predictions):
    """Headings, and a row of strings for every Prediction."""
    rows = []
    for one in predictions:
        shares = [f"{seconds / one.seconds:.0%}" for seconds in one.kinds.values()]
        bound = max(one.bounds, key=one.bounds.get)
        rows.append([one.case.network, str(one.case.batch), ms(one.seconds), f"{one.images_per_second:,.0f}",
                     f"{bound} {one.bounds[bound] / one.seconds:.0%}", str(len(one.launches)), *shares])
    return ["network", "batch", "predicted ms", "images/s", "waits for", "kernels", *KINDS, LAUNCHES], rows


def last_line(gpu=H100):
    return (f"A prediction for an {gpu.name}, not a measurement: {gpu.flops / 1e12:.0f} TFLOP/s in float32, "
            f"{gpu.bandwidth / 1e12:.2f} TB/s, and {1e6 * gpu.launch:.0f} us for each launch, an assumption")
