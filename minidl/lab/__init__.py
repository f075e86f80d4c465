"""The gradient-flow lab: what happens to gradients in plain and residual networks, theory beside measurement.

nets      Design and build: the small networks that the lab is about
observe   one forward and one backward pass of any model, layer by layer
probes    what can be measured on any model without changing it
"""
from minidl.lab import probes
from minidl.lab.nets import Design, build
from minidl.lab.observe import Layer, Observation, Weight, observe
