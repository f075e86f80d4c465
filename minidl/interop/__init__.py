"""Files that other programs read, and theirs read here; nothing in a file is ever run."""
from minidl.interop.saving import CheckpointError, load, save
from minidl.interop import torch
