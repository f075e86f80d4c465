"""check_ops: the gradient of every op in the table, row by row."""
import time
from typing import NamedTuple

from minidl.gradcheck.check import GradcheckError, gradcheck
from minidl.gradcheck.line import PROVEN
from minidl.gradcheck.table import all_cases


class OpRow(NamedTuple):
    """One call of the table: the op it proves, and how that went.

    error : the largest error, as a part of its tolerance     message : what gradcheck said, if it failed
    """
    op: str
    call: str
    order: int
    error: float
    verdict: str
    seconds: float
    message: str | None = None

    passed = property(lambda self: self.verdict == "pass")


def check_ops(names=None, order=2):
    """An OpRow for every call in the table, or for those of the ops called `names`, one after the other."""
    for name, case in all_cases():
        if names is None or name in names:
            start, verdict, message = time.perf_counter(), "pass", None
            try:
                report = gradcheck(case.in_minidl(), *case.inputs(), order=order, name=repr(case))
            except GradcheckError as error:
                report, message = error.report, str(error)
                verdict = next((c.verdict for c in report.checks if c.verdict not in PROVEN), "error")
            seconds = time.perf_counter() - start
            yield OpRow(name, repr(case), order, report.worst, verdict, seconds, message)
