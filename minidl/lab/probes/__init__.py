"""Probes: what can be measured on any model, without changing it.

of an Observation          activation_gradients, weight_gradients, activations, batch_norm_std, ranges
of a model and a batch     updates, cosines, gram_spectra, gradient_line, singular_values, nonlinearity_coefficient,
                           branch_shares, identity_survival, path_lengths, lesion, swap, permute, loss_line, loss_plane
in a training loop         GradientHistory, weight_norms

Each answers with rows that have names. A model is left as it was to the last bit: see `minidl.lab.untouched`.
"""
from minidl.lab.probes.activations import activations, batch_norm_std
from minidl.lab.probes.blocks import find_blocks, lesion, permute, swap
from minidl.lab.probes.branches import branch_shares
from minidl.lab.probes.gradients import activation_gradients, updates, weight_gradients
from minidl.lab.probes.gram import gram_spectra
from minidl.lab.probes.history import GradientHistory, weight_norms
from minidl.lab.probes.identity import identity_survival
from minidl.lab.probes.jacobian import singular_values, spread
from minidl.lab.probes.landscape import loss_line, loss_plane
from minidl.lab.probes.nonlinearity import nonlinearity_coefficient
from minidl.lab.probes.paths import path_lengths
from minidl.lab.probes.ranges import ranges
from minidl.lab.probes.shattering import gradient_line
from minidl.lab.probes.similarity import cosines
