"""The gradient-flow lab: what happens to gradients in plain and residual networks, theory beside measurement."""
from minidl.lab.observe import Layer, Observation, Weight, observe
