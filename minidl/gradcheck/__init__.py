"""Is the gradient right? Finite differences against backprop, for functions, networks, and every op.

gradcheck, gradcheck_model   check a function, a network; they raise GradcheckError or return a Report
check_ops                    goes through the table of all ops, table.py: the calls that prove them
check_mutants, check_source  go through every way to break the ops, and every line of their gradients: is it noticed?
"""
from minidl.gradcheck.check import GradcheckError, Report, gradcheck
from minidl.gradcheck.model import gradcheck_model


def check_ops(names=None, order=2):
    """A row for every call in the table of ops, or for the ops called `names`: see `survey.OpRow`."""
    from minidl.gradcheck import survey                  # the table needs minidl.nn, which a plain gradcheck does not
    return survey.check_ops(names, order)


def check_mutants(names=None):
    """A row for every way to break every op, or the ops called `names`: see `mutants.Row`."""
    from minidl.gradcheck import mutants
    return mutants.check_mutants(names)


def check_source(sample=None, seed=0):
    """A row for every change of a line in ops/ and kernels/, or for a random sample of them: see `source.Row`."""
    from minidl.gradcheck import source
    return source.check_source(sample, seed)
