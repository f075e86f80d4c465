"""The gradient-flow lab: what happens to signals and gradients on their way through a network, measured and predicted."""
from minidl.lab.observe import Layer, Observation, observe
