"""minidl: a deep-learning engine that can be read in an evening and stepped through line by line."""
from minidl import dtypes, kernels
from minidl.dtypes import *
from minidl.dtypes import bool_ as bool, float32 as float, int32 as int
from minidl.kernels import autotune, conv_algorithm, use_kernels
from minidl.kernels.cpu.threads import get_num_threads, set_num_threads
from minidl.mode import enable_grad, is_grad_enabled, mode, no_grad, set_grad_enabled
from minidl.tensor import Tensor
from minidl.op import Elementwise, Op
from minidl.graph import Step, backprop, topological_order
from minidl.fused import Fused
from minidl.random import Generator, default_generator, get_rng_state, initial_seed, manual_seed, set_rng_state
from minidl.creation import *
from minidl import anomaly, autograd, creation, cuda, expression, ops
from minidl.ops import *
from minidl import nn, optim
from minidl.interop import load, save
from minidl.profiler import profile
from minidl.summary import summary
from minidl.trace.front import step
