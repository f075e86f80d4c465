"""What measurements come to: medians and means, and the file that keeps them all."""
import json
import math
import re
import statistics
from pathlib import Path

FORMAT = 1                   # of the file; a reader of old results can tell


def median(numbers):
    """The median of those that are there, or None."""
    numbers = [x for x in numbers if x is not None]
    return statistics.median(numbers) if numbers else None


def undisturbed(times):
    """What nine in ten of the times are above: what other programs take of a short measurement is left out."""
    return sorted(times)[len(times) // 10]


def geometric_mean(ratios):
    """The mean of ratios: twice as fast and half as fast cancel out. Fleming & Wallace 1986."""
    ratios = list(ratios)
    if not ratios or min(ratios) <= 0:
        raise ValueError(f"geometric_mean: expects numbers above 0, not {ratios}")
    return math.exp(statistics.fmean(map(math.log, ratios)))


def slope(xs, ys):
    """The exponent b of the curve y = a x^b that fits best on logarithmic paper: 1 is linear, 2 is quadratic."""
    return statistics.linear_regression([math.log(x) for x in xs], [math.log(y) for y in ys]).slope


def save(path, benchmark, machine, how, results, **more):
    """Write results, a list of dicts, with what they were measured on and how, as JSON."""
    from minidl.utils.data.files import replacing
    content = {"format": FORMAT, "benchmark": benchmark, "machine": machine, "how": how, **more, "results": results}
    text = json.dumps(content, indent=1, allow_nan=False)
    text = re.sub(r"\[[-+.\de,\s]*\]", lambda match: re.sub(r"\s+", " ", match[0]), text)       # numbers in one line
    with replacing(Path(path)) as file:
        file.write(text.encode())


def load(path):
    """The dict that `save` wrote."""
    try:
        content = json.loads(Path(path).read_text())
        assert content["format"] == FORMAT and content["benchmark"] and content["results"] is not None
    except (ValueError, KeyError, TypeError, AssertionError):
        raise ValueError(f"{path}: holds no results of minidl bench") from None
    return content


def facts_line(machine):
    """The machine, in a sentence."""
    gpu = f"{machine['GPU']}, {machine['GPU memory GiB']} GiB, CuPy {machine['cupy']}; " if "GPU" in machine else ""
    return (f"{gpu}{machine['processor']}, {machine['threads']} of {machine['cores']} cores: "
            f"{machine['GFLOP/s']:.0f} GFLOP/s in matrix products, {machine['copy GB/s']:.0f} GB/s in copies; "
            f"Python {machine['Python']}, "
            f"NumPy {machine['numpy']}, Numba {machine['numba']}, PyTorch {machine['torch'] or 'is not there'}")


def warning(machine):
    """A sentence if others were using the machine, or None."""
    if machine["load"] is not None and machine["load"] > 0.5:
        return (f"before the benchmark began, other programs kept {machine['load']:.1f} cores busy: "
                "the numbers below are less exact than they look")
    return None


# ---- numbers for a person; what is missing is an empty cell


def ms(seconds):
    if seconds is None:
        return ""
    return f"{1e3 * seconds:.{3 if seconds < 1e-3 else 2 if seconds < 1e-2 else 1 if seconds < 1 else 0}f}"


def mib(size):
    return "" if size is None else f"{size / 2 ** 20:,.0f}"


def number(x, digits=2):
    return "" if x is None else f"{x:.{digits}f}"
