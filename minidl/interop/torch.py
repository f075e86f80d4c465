"""Weights of torchvision's networks: load and save. PyTorch itself is not needed.

    net = architectures.build("resnet18")
    minidl.interop.torch.load(net, "resnet18-f37072fd.pth")

Tensors have torchvision's names in a file, and are found by them; torchvision.py has the table of those that are others
here. Two networks can have the same names and shapes and still not be the same: torchvision's resnet50 to resnet152
are version 1.5, and their weights belong in `resnet50_v1_5` rather than in `resnet50`.
"""
from pathlib import Path

import numpy as np

from minidl.interop.saving import CheckpointError
from minidl.interop.torchfile import read
from minidl.interop.torchvision import today, torchvision_key


def load(model, path):
    """Give `model` the numbers in the file: .pt or .pth as torch.save writes a state dict, or .safetensors.

    Nothing in a file is ever run: one that asks for more than tensors is a CheckpointError. So is one that is damaged,
    or does not fit; then the model is as it was. What batch norm counts, its batches, old files do not have, nor need.
    """
    found = {today(key): array for key, array in read(path).items()}
    wanted = {torchvision_key(model, key): x for key, x in model.state_dict().items()}
    if difference := differing(found, wanted):
        raise CheckpointError(f"{path}: does not fit {type(model).__name__}: {difference}")
    for key, x in wanted.items():
        if key in found:
            x.copy_(found[key])


def weights_for(model, path):
    """The arrays in such a file, or in one of `interop.save`, by the names that `model` has for them; it need not fit."""
    ours = {torchvision_key(model, key): key for key in model.state_dict()}
    found = {today(key): array for key, array in read(path).items()}
    return {ours.get(key, key): array for key, array in found.items()}


def save(model, path):
    """Write the model's state dict to a .safetensors file, under torchvision's names.

    PyTorch reads it: net.load_state_dict(safetensors.torch.load_file(path)).
    """
    from safetensors.numpy import save as serialize

    from minidl.utils.data.files import replacing
    state = {torchvision_key(model, key): x.cpu().numpy() for key, x in model.state_dict().items()}
    contiguous = {key: np.ascontiguousarray(x).reshape(x.shape) for key, x in state.items()}     # the former makes 0-d 1-d
    with replacing(Path(path)) as file:
        file.write(serialize(contiguous, {"format": "pt"}))


def differing(found, wanted):
    """Why arrays do not fit tensors, in words; "" if they do."""
    missing = [f"{key} {tuple(x.shape)}" for key, x in wanted.items()
               if key not in found and not key.endswith("num_batches_tracked")]
    extra = [f"{key} {x.shape}" for key, x in found.items() if key not in wanted]
    other = [f"{key} has shape {found[key].shape} in the file and {tuple(x.shape)} in the network"
             for key, x in wanted.items() if key in found and found[key].shape != tuple(x.shape)]
    return "; ".join(filter(None, [listed(other), missing and f"the file lacks {listed(missing)}",
                                   extra and f"the network has no {listed(extra)}"]))


def listed(things, most=3):
    """The first few of them."""
    more = len(things) - most
    return ", ".join(things[:most]) + (f" and {more} more" if more > 0 else "")
