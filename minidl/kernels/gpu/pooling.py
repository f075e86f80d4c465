from minidl.kernels.reference.pooling import *      # noqa: F403, until the kernels are there
