from minidl.kernels.reference.reduction import *      # noqa: F403, until the kernels are there
