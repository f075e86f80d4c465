"""What a training step must not do: wait for the GPU."""


def no_waiting():
    """A block in which it is an error to wait for the GPU: CuPy's DeviceSynchronized."""
    import cupyx
    return cupyx.allow_synchronize(False)
