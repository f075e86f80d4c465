"""Training: the loop, and what goes on around it."""
from minidl.train.loop import NonFiniteLoss, TrainStep, train, update
from minidl.train.evaluation import Evaluation, evaluate, hits, predictions
from minidl.train.history import History
from minidl.train.checkpoint import (
    check_settings, load_checkpoint, load_weights, read_checkpoint, save_checkpoint)
from minidl.train.progress import watched
from minidl.train.run import Run, checkpoint_in, interruption
