from minidl.kernels.reference.normalization import *      # noqa: F403, until the kernels are there
