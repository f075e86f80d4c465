"""A training that lives in a folder: it can be stopped anywhere, and goes on as if nothing had happened."""
import errno
import json
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from minidl.interop import save
from minidl.nn.functional import cross_entropy
from minidl.train.checkpoint import load_checkpoint, read_checkpoint, save_checkpoint
from minidl.train.evaluation import evaluate
from minidl.train.history import History
from minidl.train.loop import NonFiniteLoss, train
from minidl.utils.data.files import replacing


@dataclass
class Run:
    """What is trained, and where it is kept.

        run = Run(folder, settings, model, optimizer, loader, test_loader)
        run.start()                                 # or run.resume()
        for step in run.train(epochs):
            ...

    settings : plain values that say what is trained; a checkpoint with other settings is not resumed
    average  : an AveragedModel; if there is one, it is what is evaluated and kept
    Make all of these before start or resume, for a loader draws its seed when it is made.
    The folder gets settings.json, checkpoint.safetensors after every epoch, history.csv and, at the end,
    history.png and model.safetensors, the weights alone.
    """
    folder: Path
    settings: dict
    model: object
    optimizer: object
    loader: object
    test_loader: object
    scheduler: object = None
    average: object = None
    history: History = field(default_factory=History)

    def __post_init__(self):
        self.folder = Path(self.folder)

    @property
    def checkpoint(self):
        return checkpoint_in(self.folder)

    @property
    def parts(self):
        return {"model": self.model, "optimizer": self.optimizer, "loader": self.loader,
                "scheduler": self.scheduler, "average": self.average, "history": self.history}

    def start(self):
        """Save the beginning, so that there is something to go back to; an older run is not overwritten."""
        if self.checkpoint.exists():
            raise FileExistsError(f"{self.folder} already holds a training: go on with it (--resume), or choose "
                                  "another folder (--out)")
        with self.nothing_lost():
            with replacing(self.folder / "settings.json") as file:
                file.write(json.dumps(self.settings, indent=2).encode() + b"\n")
            save_checkpoint(self.checkpoint, self.settings, **self.parts)

    def resume(self):
        """Go back to where the folder's checkpoint was written."""
        load_checkpoint(self.checkpoint, self.settings, **self.parts)

    def train(self, epochs, *, loss=cross_entropy, accumulate=1, max_norm=None):
        """Train until `epochs` epochs are done, yielding every TrainStep; each epoch is evaluated and saved."""
        left = epochs - self.loader.epoch
        steps = train(self.model, self.loader, self.optimizer, left, loss=loss, scheduler=self.scheduler,
                      accumulate=accumulate, max_norm=max_norm, average=self.average)
        try:
            for step in steps:
                self.history.add(step)
                if step.ends_epoch:
                    self.history.end_epoch(evaluate(self.average or self.model, self.test_loader, loss))
                    self.save()
                yield step
        except NonFiniteLoss as error:
            raise NonFiniteLoss(f"{error}; {self.whole()}") from None

    def save(self):
        """Write the checkpoint and the history."""
        with self.nothing_lost():
            save_checkpoint(self.checkpoint, self.settings, **self.parts)
            self.history.save_csv(self.folder / "history.csv")

    def draw(self):
        """Write the learning curve, if an epoch is done."""
        with self.nothing_lost():
            if self.history.rows:
                self.history.save_picture(self.folder / "history.png")

    def finish(self):
        """Write what is for people and other programs: the curve, and the weights alone."""
        self.draw()
        with self.nothing_lost():
            model = self.average.module if self.average else self.model
            save(model.state_dict(), self.folder / "model.safetensors")

    @contextmanager
    def nothing_lost(self):
        """What goes wrong while saving is answered with what there still is."""
        try:
            yield
        except (OSError, ArithmeticError) as error:
            full = getattr(error, "errno", None) == errno.ENOSPC
            why = "no space is left on the disk" if full else getattr(error, "strerror", None) or error
            raise type(error)(f"{self.folder}: {why}, so nothing new was saved; {self.whole()}") from error

    def whole(self):
        """Which checkpoint there is."""
        try:
            return f"{self.checkpoint} ({place(read_checkpoint(self.checkpoint))}) is whole"
        except (OSError, ValueError):
            return "there is no checkpoint"


def checkpoint_in(folder):
    return Path(folder) / "checkpoint.safetensors"


def place(content):
    """Where in its training a checkpoint was written, for a person."""
    updates, epochs = content["history"]["updates"], len(content["history"]["rows"])
    return f"after {updates:,} updates, {epochs} whole epoch{'' if epochs == 1 else 's'}"


@contextmanager
def interruption():
    """`with interruption() as asked: ... if asked(): ...`: a Ctrl-C that the loop answers between two steps.

    A second Ctrl-C is a KeyboardInterrupt at once.
    """
    caught = []

    def remember(number, frame):
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: bool(caught)
    finally:
        signal.signal(signal.SIGINT, before)
