"""Training: the loop, and what goes on around it."""
from minidl.train.loop import NonFiniteLoss, TrainStep, train, update
from minidl.train.evaluation import Evaluation, evaluate, hits, measure, predictions
from minidl.train.ensemble import Ensemble, OverCrops, averaged, five_crop, ten_crop
from minidl.train.transfer import freeze, heads, load_pretrained, parameter_groups, replace_head, unfreeze
from minidl.train.history import History
from minidl.train.checkpoint import (
    check_settings, load_checkpoint, load_weights, read_checkpoint, save_checkpoint, weights_in)
from minidl.train.progress import watched
from minidl.train.run import Run, checkpoint_in, interruption
