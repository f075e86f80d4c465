"""Optimizers, learning-rate schedules, and averages of weights. Names and arguments are PyTorch's."""
from minidl.optim.optimizer import Optimizer
from minidl.optim.sgd import SGD
from minidl.optim.adagrad import Adagrad
from minidl.optim.rmsprop import RMSprop, RMSpropTF
from minidl.optim.adam import Adam, AdamW
from minidl.optim import lr_scheduler, swa_utils
