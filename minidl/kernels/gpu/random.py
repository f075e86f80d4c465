from minidl.kernels.reference.random import *      # noqa: F403, until the kernels are there
