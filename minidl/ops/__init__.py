"""Mathematics, op by op: what each computes and how its gradient flows, side by side."""
from minidl.ops.activation import *
from minidl.ops.arithmetic import *
from minidl.ops.comparison import *
from minidl.ops.convolution import *
from minidl.ops.dropout import *
from minidl.ops.indexing import *
from minidl.ops.loss import *
from minidl.ops.matrix import *
from minidl.ops.normalization import *
from minidl.ops.pooling import *
from minidl.ops.reduction import *
from minidl.ops.resize import *
from minidl.ops.shape import *
