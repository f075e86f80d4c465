"""Is the gradient right? Finite differences against backprop, for functions, networks, and every op."""
from minidl.gradcheck.check import GradcheckError, Report, gradcheck
