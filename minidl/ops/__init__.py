"""Mathematics, op by op: what each computes and how its gradient flows, side by side."""
from minidl.ops.arithmetic import *
from minidl.ops.comparison import *
from minidl.ops.indexing import *
from minidl.ops.matrix import *
from minidl.ops.reduction import *
from minidl.ops.shape import *
