"""A prediction: how long a training step takes on a GPU at the least, kernel by kernel, by its roofline.

No kernel is done sooner than its arithmetic at the GPU's peak, nor than its bytes at the bandwidth of the memory (Williams,
Waterman & Patterson 2009). So a step is run on arrays that have a shape and no numbers, and what kernels the GPU's set would
launch for it is written down, with the operations and the bytes of each. Real kernels reach neither peak. What is kept
between kernels in the GPU's cache (50 MB) is counted as if it went to memory and back, and the launches as if none of them
overlapped with the kernel before; so small networks may be faster than is predicted.
"""
from collections import Counter
from dataclasses import dataclass

import numpy as np

import minidl
import minidl.kernels
from minidl.bench import step
from minidl.bench.launches import KINDS, launches
from minidl.bench.report import ms
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

LAUNCHING = "launches"


def least_time(launch, gpu):
    """Seconds for which a kernel runs at the least."""
    return max(launch.flops / gpu.flops, launch.bytes / gpu.bandwidth)


def bound(launch, gpu):
    """What it waits for."""
    return "arithmetic" if launch.flops / gpu.flops > launch.bytes / gpu.bandwidth else "memory"


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
            parts[one.kind] += least_time(one, self.gpu)
        return parts | {LAUNCHING: self.gpu.launch * len(self.launches)}

    @property
    def bounds(self):
        """Seconds by what the step waits for."""
        parts = Counter({LAUNCHING: self.gpu.launch * len(self.launches)})
        for one in self.launches:
            parts[bound(one, self.gpu)] += least_time(one, self.gpu)
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
            self.launches += launches(name, args, y)


# ---- for a person


def table(predictions):
    """Headings, and a row of strings for every Prediction."""
    rows = []
    for one in predictions:
        shares = [f"{part / one.seconds:.0%}" for part in one.kinds.values()]
        reason = max(one.bounds, key=one.bounds.get)
        rows.append([one.case.network, str(one.case.batch), ms(one.seconds), f"{one.images_per_second:,.0f}",
                     f"{reason} {one.bounds[reason] / one.seconds:.0%}", str(len(one.launches)), *shares])
    return ["network", "batch", "predicted ms", "images/s", "waits for", "kernels", *KINDS, LAUNCHING], rows


def last_line(gpu=H100):
    return (f"A prediction for an {gpu.name}, not a measurement: {gpu.flops / 1e12:.0f} TFLOP/s in float32, "
            f"{gpu.bandwidth / 1e12:.2f} TB/s, and {1e6 * gpu.launch:.0f} us for each launch, an assumption")
