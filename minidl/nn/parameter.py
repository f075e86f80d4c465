"""Parameter: a tensor that training changes."""
from minidl.tensor import Tensor


class Parameter(Tensor):
    """A leaf tensor that, as an attribute of a Module, is one of the module's parameters.

    It shares the memory of the tensor or array it is made of, as PyTorch's does.
    """
    __slots__ = ()

    def __init__(self, data, requires_grad=True, name=""):
        super().__init__(data, requires_grad, name)
        if isinstance(data, Tensor):
            self.version = data.version          # one memory, one version counter

    def __repr__(self):
        return f"Parameter containing:\n{super().__repr__()}"
