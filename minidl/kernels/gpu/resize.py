from minidl.kernels.reference.resize import *      # noqa: F403, until the kernels are there
