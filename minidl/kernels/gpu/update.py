from minidl.kernels.reference.update import *      # noqa: F403, until the kernels are there
