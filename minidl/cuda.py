"""The GPU in PyTorch's words: is there one to use, and waiting for it."""
from minidl.creation import the_gpu


def is_available():
    """Is there a GPU with its driver, and CuPy to use it?"""
    try:
        the_gpu()
    except RuntimeError:
        return False
    return True


def synchronize():
    """Wait until the GPU has computed all that it was asked for; a clock is read after that."""
    the_gpu().synchronize()
