from minidl.kernels.reference.indexing import *      # noqa: F403, until the kernels are there
