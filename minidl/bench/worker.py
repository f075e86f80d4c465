"""What a measuring process does: it reads a task from its input and prints what it found, both as JSON."""
import contextlib
import json
import math
import sys
from time import perf_counter

from minidl.bench.cases import Case, Setting


def step(case, setting, seconds, threads, at_once=1):
    """Train for about `seconds`: the times of the steps, of the first one, and the memory it all took.

    at_once : so many steps are timed together, and what they are shared out: a GPU is waited for after the last of them
    """
    from minidl.bench.step import library, pool, prepared
    case, setting = Case(**case), Setting(**setting)
    library(setting.engine, threads)
    imported = start_of_memory()
    step = prepared(case, setting)
    first, _ = timed(step)
    times, loss = steps(lambda: step(at_once), seconds)
    if not math.isfinite(loss):
        raise ValueError(f"the loss of {case.name} in {setting.name} has become {loss}")
    if setting.device == "cuda":
        taken = pool(setting.engine)
    else:
        taken = memory("VmHWM") - imported if imported else None
    return {"first": first, "steps": [time / at_once for time in times], "loss": loss, "memory": taken}


def steps(step, seconds, warm_up=2, at_least=3):
    """The times of the steps after `warm_up`, and what the last one returned."""
    for _ in range(warm_up):
        last, _ = timed(step)
    times, result = [], None
    while len(times) < at_least or sum(times) < seconds:
        last, result = timed(step)
        times.append(round(last, 8))
    return times, result


def timed(function):
    start = perf_counter()
    result = function()
    return perf_counter() - start, result


def start_of_memory():
    """Bytes of memory in use now; from here on, what is the most is counted anew. 0 where nobody can say."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return memory("VmRSS")


def memory(what):
    """VmRSS, what is in use, or VmHWM, the most that ever was, in bytes; 0 where there is no /proc."""
    with contextlib.suppress(OSError), open("/proc/self/status") as file:
        for line in file:
            if line.startswith(f"{what}:"):
                return 1024 * int(line.split()[1])
    return 0


def convolutions(shapes, setting, seconds, threads):
    """The times of all three passes of some convolutions."""
    from minidl.bench import passes
    from minidl.bench.step import library
    setting = Setting(**setting)
    library(setting.engine, threads)
    return {"times": [passes.times(passes.convolution(how), setting, seconds) for how in shapes]}


def convolution_errors(shapes, threads):
    from minidl.bench import passes
    return {"errors": [passes.errors(passes.convolution(how)) for how in shapes]}


def operations(large, setting, seconds, threads):
    """The times of some ops on large arrays, and of all on small ones."""
    from minidl.bench import single
    from minidl.bench.step import library
    setting = Setting(**setting)
    library(setting.engine, threads)
    return {"times": [*[single.times(single.LARGE[i], setting, seconds) for i in large],
                      *[single.times(op, setting, seconds, single.AT_ONCE) for op in single.SMALL]]}


def operation_errors(large, threads):
    from minidl.bench import single
    return {"errors": [single.error(op) for op in [*[single.LARGE[i] for i in large], *single.SMALL]]}


def agreement(case, threads, device="cpu"):
    from minidl.bench.agreement import compare
    return compare(Case(**case), device)


def curve(network, algorithm, seed, epochs, threads):
    """A network trained on the digits, epoch by epoch."""
    from minidl.bench.curves import trained
    return trained(network, algorithm, seed, epochs)


def training(network, images, held_out, changes, threads):
    """A small network trained on Fashion-MNIST."""
    from minidl.bench.trainings import trained
    return trained(network, images, held_out, **changes)


def limits(case, threads):
    from minidl.bench.limits import profiled
    return profiled(Case(**case))


def machine(threads, device="cpu"):
    from minidl.bench.machine import facts, gpu
    return facts(threads) | (gpu() if device == "cuda" else {})


TASKS = {function.__name__: function for function in (
    step, convolutions, convolution_errors, operations, operation_errors, agreement, curve, training, limits, machine)}


def main():
    task = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        answer = TASKS[task.pop("do")](**task)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
