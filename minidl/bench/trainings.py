"""Does every family learn? A small network of each on 10,000 images of Fashion-MNIST, beside a linear softmax.

The small networks are those of `architectures.SMALL`, each reduced in its own file. All are trained in the same way, on
the same images, in which every class has its share, and read all test images at the end. The linear softmax, one full
layer, has a training of its own: 30 epochs, and of several learning rates, with and without mirrored images,
the one with which it reads the test images best; that favours it. A network passes that reads 3 % more of them.

Whoever chooses sizes or epochs looks at other training images, those `held_out`, and not at the test images.
"""
from dataclasses import dataclass, replace
from time import perf_counter, process_time

import numpy as np

from minidl.bench.processes import ask

HELD_OUT, MARGIN = 5_000, 3                             # training images; percent of the test images
LINEAR, RATES = "linear softmax", (0.01, 0.003, 0.001)


def recipe(network):
    from architectures import SMALL
    from architectures.recipes import Cosine, Recipe, statistics
    from minidl.utils.data.transforms import RandomHorizontalFlip, Resize, ToFloat
    _, size, epochs = (built, 28, 30) if network == LINEAR else SMALL[network]
    return Recipe(
        "small", network, "fashion-mnist", "see docs/trainings.md",
        epochs=epochs, batch_size=32, lr=0.05, optimizer_options={"momentum": 0.9}, weight_decay=1e-4, schedule=Cosine(),
        max_norm=1.0, prepare=(ToFloat(),) if size == 28 else (ToFloat(), Resize(size)), augment=(RandomHorizontalFlip(),),
        normalize=statistics("fashion-mnist"))


def built(network):
    """The network with fresh weights."""
    from architectures import SMALL
    from minidl import nn
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10)) if network == LINEAR else SMALL[network].builder()


def images_of(how, images, held_out):
    """Two datasets of a recipe: so many images to train on, and the test images, or else HELD_OUT other training images."""
    from minidl.utils.data import Subset, datasets
    from minidl.utils.data.digits import stratified_split
    training = datasets.load(how.data, train=True, transform=how.train_transform)
    test = datasets.load(how.data, train=held_out, transform=how.test_transform)
    rows = stratified_split(training.labels, images)
    if held_out:
        others = np.setdiff1d(np.arange(len(test)), rows)
        test = Subset(test, others[stratified_split(test.labels[others], HELD_OUT, seed=1)])
    return Subset(training, rows), test


def trained(network, images, held_out=False, **changes):
    """A dict: accuracy on the test images, seconds of training and reading them, parameters, MACs, image size, epochs.

    cpu     : the seconds that processors worked, on which other programs have less influence
    changes : of the recipe
    """
    import minidl
    from minidl.summary import cost
    from minidl.train import evaluate, train
    from minidl.utils.data import DataLoader
    how = replace(recipe(network), **changes)
    training, test = images_of(how, images, held_out)
    minidl.manual_seed(0)
    model = built(network)
    parameters, macs = cost(model, training[0][0].shape)
    loader = DataLoader(training, how.batch_size, shuffle=True, num_workers=1)
    optimizer, start, cpu = how.optimizer_for(model), perf_counter(), process_time()
    for _ in train(model, loader, optimizer, how.epochs, scheduler=how.scheduler_for(optimizer, len(loader)),
                   max_norm=how.max_norm):
        pass
    accuracy = evaluate(model, DataLoader(test, 250, num_workers=1)).top1
    return {"accuracy": accuracy, "seconds": round(perf_counter() - start, 1),
            "cpu": round(process_time() - cpu, 1), "parameters": parameters, "macs": macs,
            "size": training[0][0].shape[-1], "epochs": how.epochs}


@dataclass
class Result:
    """What `trained` found for a network, and the linear softmax's accuracy."""
    network: str
    found: dict
    linear: float

    @property
    def gain(self):
        """Percent of the test images that it reads and the linear softmax does not."""
        return 100 * (self.found["accuracy"] - self.linear)

    @property
    def passes(self):
        return self.network == LINEAR or round(self.gain, 6) >= MARGIN

    @property
    def verdict(self):
        """A sentence."""
        share, seconds = f"{100 * self.found['accuracy']:.2f} %", f"{self.found['seconds']:.0f} s"
        if self.network == LINEAR:
            return f"{self.network}: {share}"
        return (f"{self.network}: {share} after {seconds}, {self.gain:+.2f} beside the linear softmax"
                + ("" if self.passes else f": LESS than {MARGIN} more"))

    def as_dict(self):
        return {"network": self.network, **self.found, "linear": self.linear, "passes": self.passes}


def measure(names, *, images, epochs, held_out, threads, progress=lambda what: None):
    """A Result for the linear softmax, then one for each of `names`."""
    def ask_for(network, **changes):
        return ask({"do": "training", "network": network, "images": images, "held_out": held_out, "changes": changes},
                   threads)
    given, linear = {"epochs": epochs} if epochs else {}, []
    for lr in RATES:
        for mirrored in (True, False):
            progress(f"{LINEAR}: learning rate {lr:g}, {'with' if mirrored else 'without'} mirrored images")
            changes = {"lr": lr, **given} | ({} if mirrored else {"augment": ()})
            linear.append(ask_for(LINEAR, **changes) | {"lr": lr, "mirrored": mirrored})
    best = max(linear, key=lambda found: found["accuracy"])
    of_all = {name: sum([found[name] for found in linear]) for name in ("seconds", "cpu")}
    yield Result(LINEAR, best | of_all, best["accuracy"])
    for network in names:
        progress(network)
        yield Result(network, ask_for(network, **given), best["accuracy"])


def names_of(names):
    """All small networks, or those that were asked for."""
    from architectures import SMALL, like
    for name in names or ():
        if name not in SMALL:
            raise ValueError(f"bench: there is no small network {name!r}{like(name, SMALL)}; there are {', '.join(SMALL)}")
    return list(names or SMALL)


def table(results):
    """Headings, and a row of strings for every network."""
    rows = []
    for result in results:
        found, gain = result.found, "" if result.network == LINEAR else f"{result.gain:+.2f}"
        rows.append([result.network, f"{found['size']}x{found['size']}", f"{found['parameters']:,}",
                     f"{found['macs'] / 1e6:.1f}", str(found["epochs"]), f"{found['seconds']:.0f}", f"{found['cpu']:.0f}",
                     f"{100 * found['accuracy']:.2f}", gain, "" if result.network == LINEAR else
                     "learns" if result.passes else "TOO LITTLE"])
    return ["network", "image", "parameters", "million MACs", "epochs", "seconds", "CPU s", "% right", "beside linear",
            ""], rows


def picture(results):
    """A point for every network, and two lines: the linear softmax, and what is wanted."""
    from matplotlib.figure import Figure

    from minidl.bench.pictures import BLUE, GREY, ORANGE
    linear, networks = 100 * results[0].linear, results[1:]
    figure = Figure((7, 1.2 + 0.24 * len(networks)), layout="constrained")
    axes, places = figure.subplots(), range(len(networks) - 1, -1, -1)                  # the first on top
    for place, result in zip(places, networks):
        accuracy, colour = 100 * result.found["accuracy"], BLUE if result.passes else ORANGE
        axes.plot([linear, accuracy], [place, place], color=GREY, linewidth=1, zorder=1)
        axes.plot(accuracy, place, "o", color=colour, markersize=5)
        axes.annotate(f"{accuracy:.1f}", (accuracy, place), (6, 0), textcoords="offset points", va="center", fontsize=8)
    axes.axvline(linear, color="black", linewidth=0.8)
    axes.axvline(linear + MARGIN, color="black", linewidth=0.8, linestyle=":")
    axes.set_yticks(places, [result.network for result in networks], fontsize=8)
    axes.set(xlabel="% of the test images; the line is the linear softmax, the dotted one 3 % above it",
             ylim=(-0.7, len(networks) - 0.3))
    axes.margins(x=0.08)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(left=False)
    return figure
