"""Running laws: measure each on several networks, compare the mean with the prediction, and judge."""
import json
import math
import time
from typing import NamedTuple

import numpy as np

from minidl.lab.laws.law import Exact, Law


class Result(NamedTuple):
    """What networks showed of a law: values, one per network, and the ys of its picture."""
    law: Law
    values: np.ndarray
    ys: np.ndarray
    seconds: float

    @property
    def measured(self):
        """The mean over networks; of what is exact, the value that is furthest off."""
        if isinstance(self.law.tolerance, Exact):
            return float(self.values[np.argmax(np.abs(self.values - self.law.predicted))])
        return float(np.mean(self.values))

    @property
    def allowed(self):
        """How far from the prediction the mean may be; None without a tolerance."""
        tolerance = self.law.tolerance
        if tolerance is None:
            return None
        return tolerance.of_mean(len(self.values)) * (abs(self.law.predicted) if tolerance.relative else 1)

    @property
    def verdict(self):
        if self.law.tolerance is None:
            return "no verdict"
        apart = abs(self.measured - self.law.predicted)
        return "holds" if math.isfinite(apart) and apart <= self.allowed else "FAILS"

    def as_dict(self):
        """For JSON."""
        law = self.law
        return {"name": law.name, "source": law.source, "says": law.says, "networks": law.setup(), "what": law.value_is,
                "predicted": float(law.predicted), "measured": self.measured, "values": [float(v) for v in self.values],
                "allowed": self.allowed, "why": law.tolerance and law.tolerance.why, "verdict": self.verdict,
                "seconds": round(self.seconds, 2), "x": law.picture.x.tolist(), "x is": law.picture.x_is,
                "y is": law.picture.y_is, "theory": np.asarray(law.picture.theory, float).tolist(), "ys": self.ys.tolist()}


def run(law, networks=4, first_seed=0):
    """A Result, of as many networks as that, with first weights and batches of seeds first_seed, ..."""
    start = time.perf_counter()
    samples = [law.measure(law.design, law.batch, first_seed + i) for i in range(networks)]
    return Result(law, np.array([s.value for s in samples]), np.array([s.y for s in samples]), time.perf_counter() - start)


def table(results):
    """Headings, and a row for every law."""
    rows = []
    for result in results:
        allowed = "" if result.allowed is None else "equal" if result.allowed == 0 else f"± {result.allowed:.2g}"
        rows.append([result.law.name, result.law.value_is, f"{result.law.predicted:.4g}", f"{result.measured:.4g}", allowed,
                     result.verdict, f"{result.seconds:.1f}"])
    return ["law", "of", "prediction", "measured", "tolerance", "verdict", "seconds"], rows


def save(results, path):
    path.write_text(json.dumps([result.as_dict() for result in results], indent=1) + "\n")
