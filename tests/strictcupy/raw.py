"""RawModule and RawKernel of the double: kernels run in the simulator."""
import cudasim


class RawModule:
    def __init__(self, *, code, options=(), backend="nvrtc", name_expressions=None):
        self.code, self.options = code, options
        self.simulated = None

    def get_function(self, name):
        self.simulated = self.simulated or cudasim.Module(self.code, self.options)
        return self.simulated.get_function(name)


def RawKernel(code, name, options=(), backend="nvrtc"):
    return RawModule(code=code, options=options).get_function(name)
