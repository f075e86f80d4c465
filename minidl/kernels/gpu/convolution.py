from minidl.kernels.reference.convolution import *      # noqa: F403, until the kernels are there
