"""Checkpoints: all that is needed to go on training as if nothing had happened, in one file."""
import numpy as np

from minidl.interop import CheckpointError, load, save
from minidl.random import get_rng_state, set_rng_state

FORMAT = "minidl checkpoint 1"


def save_checkpoint(path, settings, **parts):
    """Write the state dicts of `parts` (model=, optimizer=, loader=, ...; None is left out) to one file.

    Beside them it holds `settings`, plain values that say what was trained, and the state of the default
    random generator. An old file is replaced by a whole new one, or stays. Weights that are not finite are an
    ArithmeticError: an intact checkpoint is worth more than a later one.
    """
    states = {name: part.state_dict() for name, part in parts.items() if part is not None}
    for name, x in states.get("model", {}).items():
        if not np.isfinite(x.cpu().numpy()).all():
            raise ArithmeticError(f"{name} is no longer finite, so it is not saved")
    save({"format": FORMAT, "settings": settings, "random": get_rng_state(), **states}, path)


def read_checkpoint(path):
    """A checkpoint's content: its settings and state dicts by name."""
    content = load(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        holds = ", ".join(list(content)[:3]) if isinstance(content, dict) else type(content).__name__
        raise CheckpointError(f"{path}: is no checkpoint of minidl's training; it holds {holds or 'nothing'}")
    return content


def load_checkpoint(path, settings, **parts):
    """Put every part, and the default random generator, back where `save_checkpoint` found it.

    A checkpoint made with other settings is a CheckpointError that names those that differ; only `epochs` may, for a
    training can be made longer, and `device`, for it can go on elsewhere, where sums are rounded otherwise.
    """
    content = read_checkpoint(path)
    check_settings(path, content["settings"], settings)
    parts = {name: part for name, part in parts.items() if part is not None}
    for name, part in parts.items():
        if name not in content:
            raise CheckpointError(f"{path}: has no state of the {name}")
        put_back(path, name, part, content[name])
    set_rng_state(content["random"])


def load_weights(path, model):
    """The weights of a checkpoint into `model`: the averaged ones, if there are; its settings are returned."""
    content = read_checkpoint(path)
    put_back(path, "model", model, weights_in(content))
    return content["settings"]


def weights_in(content):
    """The state dict of the network in a checkpoint's content: the averaged weights, if there are."""
    averaged = {name.removeprefix("module."): x for name, x in content.get("average", {}).items()
                if name.startswith("module.")}
    return averaged or content["model"]


def put_back(path, name, part, state):
    try:
        part.load_state_dict(state)
    except (ValueError, LookupError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path}: the {name} in it is another one: {one_line(error)}") from error


def check_settings(path, saved, wanted):
    differing = [key for key in {**saved, **wanted}
                 if saved.get(key) != wanted.get(key) and key not in ("epochs", "device")]
    if differing:
        of = lambda settings: ", ".join(f"{key} {settings.get(key)}" for key in differing)
        raise CheckpointError(f"{path}: is of a training with {of(saved)}; this one has {of(wanted)}")


def one_line(error):
    return " ".join(str(error).split())
