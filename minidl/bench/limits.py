"""What limits a network: where a training step of minidl's spends its time, and how fast the products in it are.

Matrix products wait for the processor: those of a convolution can be held against the machine's own (machine.py).
Winograd's convolutions multiply less than they are counted for here, so they may come to more than that. Everything
else waits for memory: it reads and writes a number or two for each operation.
"""
from minidl.bench.cases import MINIDL
from minidl.bench.report import number

KINDS = {"products": ("Conv2d", "ConvTranspose2d", "Linear", "MatMul"),
         "norms": ("BatchNorm", "GroupNorm", "LayerNorm", "LocalResponseNorm"),
         "pooling": ("MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d")}
OTHERS = "number by number"              # activations, sums, dropout
KIND = {op: kind for kind, ops in KINDS.items() for op in ops}


def profiled(case, steps=5):
    """Of a Case: the seconds of a step, those of each kind of op in it, and the operations in its products."""
    import minidl
    from minidl.bench.step import input_shape, network, prepared
    step = prepared(case, MINIDL)
    for _ in range(3):
        step()
    with minidl.profile() as profile:
        for _ in range(steps):
            step()
    seconds = dict.fromkeys([*KINDS, OTHERS], 0.0)
    for row in profile.rows():
        seconds[KIND.get(row.name, OTHERS)] += (row.forward + row.backward) / steps
    macs = [row.macs for row in minidl.summary(network(case, MINIDL.engine), input_shape(case)).rows if row.macs]
    operations = 2 * case.batch * (3 * sum(macs) - macs[0])             # y, gx and gw; but images need no gradient
    return {"step": profile.seconds / steps, "seconds": seconds, "operations": operations}


def table(limits, machine):
    """Headings, and a row of strings for every (Case, what `profiled` answered)."""
    rows = []
    for case, found in limits:
        speed = found["operations"] / found["seconds"]["products"] / 1e9
        shares = [f"{seconds / found['step']:.0%}" for seconds in found["seconds"].values()]
        rest = 1 - sum(found["seconds"].values()) / found["step"]
        rows.append([case.network, str(case.batch), number(speed, 0), f"{speed / machine['GFLOP/s']:.0%}", *shares,
                     f"{rest:.0%}"])
    return ["network", "batch", "GFLOP/s in products", "of the machine's", *KINDS, OTHERS, "the rest"], rows
