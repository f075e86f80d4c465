"""Which numbers a floating-point format cannot hold: underflow, overflow and NaN."""
from typing import NamedTuple

import numpy as np

FORMATS = "float16", "float32"


class Range(NamedTuple):
    """Of an array as it would be in a dtype, shares of all its numbers.

    what      : "activation", "gradient" (in the activation) or "weight gradient"
    zeros     : exactly 0 before it is rounded
    underflow : not 0, but rounded to 0
    subnormal : below the smallest number with full precision: some digits are lost
    overflow  : finite, but rounded to infinity
    infinite, nan : so before it is rounded
    """
    layer: str
    what: str
    dtype: str
    zeros: float
    underflow: float
    subnormal: float
    overflow: float
    infinite: float
    nan: float


def ranges(seen, dtypes=FORMATS):
    """A Range for each array of each layer of an Observation and each of the dtypes.

    x in a dtype is x rounded to the nearest number of it (IEEE 754-2008, section 4.3.1). float16 holds 6e-8 to 65,504,
    float32 1e-45 to 3e38; bfloat16 has the exponents of float32. What float32 has already lost is not seen in float32:
    observe with dtype=minidl.float64. Costs a pass over what was observed for each dtype.
    """
    rows = []
    for layer in seen.layers:
        arrays = {"activation": layer.y, "gradient": layer.gy, "weight gradient": layer.gw}
        rows += [range_of(layer.name, what, x, np.dtype(dtype))
                 for what, x in arrays.items() if x is not None for dtype in dtypes]
    return rows


def range_of(layer, what, x, dtype):
    """The Range of one array."""
    with np.errstate(all="ignore"):
        size, rounded = np.abs(x), np.abs(x.astype(dtype))
    share = lambda mask: float(mask.mean())
    finite = np.isfinite(size)
    return Range(layer, what, dtype.name, share(size == 0), share((size > 0) & (rounded == 0)),
                 share((rounded > 0) & (rounded < np.finfo(dtype).tiny)), share(finite & np.isinf(rounded)),
                 share(np.isinf(size)), share(np.isnan(size)))
