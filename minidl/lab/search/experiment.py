"""Both searches from several seeds at equal budget, in a folder: stopped anywhere, it goes on as if nothing had happened."""
import csv
import io
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minidl.interop import CheckpointError, load, save
from minidl.lab.search.child import accuracy, digits, trained
from minidl.lab.search.searches import SEARCHES
from minidl.lab.search.space import Space, words
from minidl.utils.data.files import replacing

FORMAT = "minidl architecture search 1"
BATCH = 5                                                  # rows that a search draws before it learns from them
CHILD_SEED = 0                                             # of every child: so a cell has one reward


@dataclass
class Track:
    """One search from one seed, and the (cell, accuracy on the validation images) it drew, in order."""
    name: str
    seed: int
    search: object
    samples: list = field(default_factory=list)

    @property
    def rewards(self):
        return np.array([reward for _, reward in self.samples])

    @property
    def best(self):
        """The first of the cells with the highest reward."""
        return self.samples[self.rewards.argmax()][0]

    @property
    def different(self):
        return len({cell for cell, _ in self.samples})


class Final(NamedTuple):
    """What a track comes to: the cell, its reward, and, trained longer, its accuracy on the test images."""
    name: str
    seed: int
    cell: tuple
    reward: float
    test: float


class Experiment:
    """Every search of SEARCHES, from the seeds 0 to seeds - 1, draws `budget` cells; children are cached by cell.

        experiment = Experiment(folder, budget=100, seeds=5)
        experiment.start()                                 # or Experiment.resumed(folder)
        for track in experiment.run():                     # after every batch of cells, when it is saved
            ...

    The budget counts cells that are drawn, trained anew or not: that favours neither search, but one that draws a cell
    again pays for it. Rewards are the accuracy on validation images; the test images are read by `finals` alone.

    epochs       : of a child's training, whose accuracy is the reward
    final_epochs : of the best cell's, on all 1,347 training images
    """

    def __init__(self, folder, budget=100, seeds=5, epochs=4, final_epochs=15, space=None, reward=None):
        if budget < BATCH or budget % BATCH:
            raise ValueError(f"search: a budget of {budget} cells; a multiple of {BATCH}, the cells that are drawn "
                             "between two updates, is wanted")
        if seeds < 1 or epochs < 1:
            raise ValueError(f"search: {seeds} seeds and {epochs} epochs; at least one of each is wanted")
        self.folder, self.space = Path(folder), space or Space()
        self.budget, self.seeds, self.epochs, self.final_epochs = budget, seeds, epochs, final_epochs
        self.reward = reward or self.validation_accuracy
        self.tracks = [Track(name, seed, search(self.space, seed))
                       for seed in range(seeds) for name, search in SEARCHES.items()]
        self.known = {}                                    # cell -> reward

    # ---- the search

    def run(self):
        """Draw, train, learn, save, until every track has drawn its budget; yields the track after each batch."""
        for track in self.tracks:
            while len(track.samples) < self.budget:
                cells = [self.space.cell(row) for row in track.search.draw(BATCH)]
                for cell in cells:
                    if cell not in self.known:
                        self.known[cell] = self.reward(cell)
                rewards = [self.known[cell] for cell in cells]
                track.search.learn(rewards)
                track.samples += zip(cells, rewards)
                self.save()
                yield track

    @cached_property
    def data(self):
        return digits()

    def validation_accuracy(self, cell):
        return accuracy(trained(cell, *self.data.train, self.epochs, CHILD_SEED), *self.data.validation)

    def finals(self):
        """A Final for the best cell of every track; and, as "the first cell", for the first one that random search drew."""
        for track in self.tracks:
            yield self.final(track.name, track.seed, track.best)
        for track in self.tracks:
            if track.name == "random":
                yield self.final("the first cell", track.seed, track.samples[0][0])

    def final(self, name, seed, cell):
        """Trained from a seed that no child of the search had."""
        child = trained(cell, *self.data.all_of_training, self.final_epochs, CHILD_SEED + 1 + seed)
        return Final(name, seed, cell, self.known[cell], accuracy(child, *self.data.test))

    @property
    def title(self):
        """What was done, in one line, for a picture."""
        return (f"search on the digits: {self.space.pairs} pairs, {len(self.space.operations)} operations; "
                f"reward: accuracy on 347 images after {self.epochs} epochs with 1,000; {self.seeds} seeds")

    # ---- the folder

    @property
    def checkpoint(self):
        return self.folder / "checkpoint.safetensors"

    def start(self):
        """Save the beginning; an older search is not overwritten."""
        if self.checkpoint.exists():
            raise FileExistsError(f"{self.folder} already holds a search: go on with it (--resume), or choose another "
                                  "folder (--out)")
        self.save()

    def save(self):
        """Write everything to one file, which is put in place when it is whole."""
        settings = {"budget": self.budget, "seeds": self.seeds, "epochs": self.epochs, "final_epochs": self.final_epochs,
                    "pairs": self.space.pairs, "operations": self.space.operations}
        tracks = [{"search": track.search.state_dict(), "samples": track.samples} for track in self.tracks]
        save({"format": FORMAT, "settings": settings, "tracks": tracks}, self.checkpoint)

    @classmethod
    def resumed(cls, folder, **arguments):
        """The experiment of a folder, where its checkpoint was written; budget and seeds may be raised."""
        path = Path(folder) / "checkpoint.safetensors"
        content = load(path)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CheckpointError(f"{path}: is no checkpoint of an architecture search")
        settings = content["settings"] | arguments
        for name in ("budget", "seeds"):
            if settings[name] < content["settings"][name]:
                raise ValueError(f"search: {folder} holds a search with {name} {content['settings'][name]}, which can be "
                                 f"raised, but not be lowered to {settings[name]}")
        space = Space(settings.pop("pairs"), settings.pop("operations"))
        experiment = cls(folder, **settings, space=space)
        for track, saved in zip(experiment.tracks, content["tracks"]):
            track.search.load_state_dict(saved["search"])
            track.samples = saved["samples"]
            experiment.known.update(track.samples)
        return experiment

    def write_samples(self):
        """samples.csv: a line for every cell that was drawn."""
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(["search", "seed", "sample", "validation accuracy", "cell"])
        lines.writerows([track.name, track.seed, i, f"{reward:.4f}", words(cell)]
                        for track in self.tracks for i, (cell, reward) in enumerate(track.samples, 1))
        with replacing(self.folder / "samples.csv") as file:
            file.write(text.getvalue().encode())
