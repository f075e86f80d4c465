"""minidl train"""
import shlex
import time
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Annotated

import typer


def train(
    model: Annotated[str, typer.Argument(help="A network, such as lenet5.")] = None,
    data: Annotated[str, typer.Option(help="A data set, or a folder with train/CLASS/ and test/CLASS/.")] = None,
    recipe: Annotated[str, typer.Option(help="Another recipe than the usual one for network and data.")] = None,
    epochs: Annotated[int, typer.Option(min=1)] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = None,
    optimizer: Annotated[str, typer.Option(help="SGD, RMSprop, RMSpropTF, Adagrad, Adam or AdamW.")] = None,
    lr: Annotated[float, typer.Option(min=0, help="The learning rate that the schedule starts from.")] = None,
    momentum: Annotated[float, typer.Option(min=0, max=1)] = None,
    weight_decay: Annotated[float, typer.Option(min=0)] = None,
    accumulate: Annotated[int, typer.Option(min=1, help="So many batches make one update.")] = None,
    hold_out: Annotated[int, typer.Option(min=0, help="Evaluate on so many training images, held out, instead "
                                          "of the test images: for choosing settings.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = None,
    pretrained: Annotated[str, typer.Option("--from", help="Begin with the weights of another training, its folder, "
                                            "or those in a .pth or .safetensors file; a head for other classes is "
                                            "drawn anew.")] = None,
    new_head: Annotated[bool, typer.Option("--new-head", help="With --from: a new head also where the old one "
                                           "fits.")] = None,
    freeze: Annotated[list[str], typer.Option(help="A part that is not trained, such as features; body is all but the "
                                              "head. Can be given several times.")] = None,
    lr_decay: Annotated[float, typer.Option(min=0, max=1, help="The learning rate of every layer is that of the one "
                                            "after it, times this.")] = None,
    device: Annotated[str, typer.Option(help="Where it is computed: cpu, or cuda, an NVIDIA GPU. A resumed training goes on "
                                        "where it was, unless told otherwise. [default: cpu]")] = None,
    out: Annotated[Path, typer.Option(help="The folder of this training. [default: runs/MODEL-DATA]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in --out.")] = False,
    detect_anomaly: Annotated[bool, typer.Option("--detect-anomaly", help="Stop at the op that first makes a NaN "
                                                 "or Inf, and name it; slower.")] = False,
):
    """Train a network on a data set, as its recipe says unless an option says otherwise.

    Ctrl-C saves; --resume goes on, bit for bit. After every epoch the folder has a checkpoint and a table.
    """
    flags = {"data": data, "recipe": recipe, "epochs": epochs, "batch_size": batch_size, "optimizer": optimizer,
             "lr": lr, "momentum": momentum, "weight_decay": weight_decay, "accumulate": accumulate,
             "hold_out": hold_out, "seed": seed, "pretrained": pretrained, "new_head": new_head or None,
             "freeze": freeze or None, "lr_decay": lr_decay, "device": device}
    flags = {name: value for name, value in flags.items() if value is not None}
    if resume:
        settings, out = resumed_settings(model, flags, out)
    elif model is None:
        raise ValueError("train: which network? For example: minidl train lenet5")
    elif new_head and pretrained is None:
        raise ValueError("train --new-head: the head is new anyway without --from")
    else:
        from minidl.cli.training import folder_for, settings_for
        settings = settings_for(model, **flags)
        out = out or folder_for(settings)
    return run(settings, out, resume, detect_anomaly)


def resumed_settings(model, flags, out):
    """The settings of the training in `out`, which may be told to last longer, or to go on elsewhere; and `out`."""
    from minidl.cli.training import folder_for, settings_for
    from minidl.train import check_settings, checkpoint_in, read_checkpoint
    if out is None:
        if model is None:
            raise ValueError("train --resume: which training? Its folder is given with --out")
        out = folder_for(settings_for(model, **flags))
    path = checkpoint_in(out)
    saved = read_checkpoint(path)["settings"]
    given = flags | ({"model": model} if model else {})
    if "momentum" in given:
        given["optimizer_options"] = saved["optimizer_options"] | {"momentum": given.pop("momentum")}
    check_settings(path, saved, saved | given)
    return saved | given, out


def run(settings, out, resume, detect_anomaly):
    """Train, or go on, and return the exit status."""
    from minidl.autograd import detect_anomaly as anomaly_mode
    from minidl.cli.training import begin, run_of
    run = run_of(settings, out)
    run.resume() if resume else begin(run)
    show(settings, run)
    with anomaly_mode() if detect_anomaly else nullcontext():
        return follow(run, settings, f"minidl train --resume --out {shlex.quote(str(out))}")


def follow(run, settings, go_on):
    """Train to the end, saying how it goes, or until Ctrl-C; the exit status. `go_on` is what to type after that."""
    from minidl.cli.training import recipe_of
    from minidl.train import NonFiniteLoss, interruption, watched
    from minidl.train.progress import clock
    epochs, recipe, start = settings["epochs"], recipe_of(settings), time.monotonic()
    steps = run.train(epochs, loss=recipe.loss, accumulate=settings["accumulate"], max_norm=recipe.max_norm)
    steps = watched(steps, run.loader, epochs, accumulate=settings["accumulate"])
    try:
        with interruption() as asked, closing(steps):
            for step in steps:
                if step.ends_epoch:
                    print(epoch_line(run.history.rows[-1], epochs, settings), flush=True)
                if asked():
                    run.save()
                    run.draw()
                    print(f"stopped, and saved in {run.checkpoint}; go on with: {go_on}", flush=True)
                    return 130
    except NonFiniteLoss as error:
        raise NonFiniteLoss(f"{error}. A smaller --lr may help; {go_on} --detect-anomaly names the op") from None
    except MemoryError as error:
        raise MemoryError(f"{error}{what_fits(run, settings)}") from None
    run.finish()
    print(f"done in {clock(time.monotonic() - start)}; in {run.folder} are the learning curve (history.png and .csv) "
          "and the weights (model.safetensors)")
    return 0


def what_fits(run, settings):
    """What to type when the memory of a GPU has run out; nothing to add elsewhere."""
    from minidl.cli.training import device_of
    from minidl.creation import the_gpu
    from minidl.footprint import batch_that_fits
    if device_of(settings) == "cpu":
        return ""
    image, _ = run.loader.dataset[0]
    n = batch_that_fits(run.model, image.shape, the_gpu().room(), settings["batch_size"])
    if n is None:
        return f"; no smaller batch of images {' x '.join(map(str, image.shape))} would fit"
    parts = -(-settings["batch_size"] // n) * settings["accumulate"]
    return f"; --batch-size {n} would fit, and with --accumulate {parts} an update is of as many images"


def show(settings, run):
    """What is trained, on what, and how."""
    from architectures import recipes
    from minidl.cli.recipes import description, print_rows
    from minidl.cli.training import recipe_of
    recipe, own = recipe_of(settings), recipes.named(settings["recipe"]).data
    rows = description(recipe)
    numbers = [x.numel() for x in run.model.parameters()]
    trained = [x.numel() for x in run.model.parameters() if x.requires_grad]
    rows["network"] += f", {sum(numbers):,} parameters"
    rows["data"] = f"{recipe.data}: {len(run.loader.dataset):,} images to train on, {len(run.test_loader.dataset):,} " \
                   f"{'held out' if settings['hold_out'] else 'to test'}"
    if own not in (recipe.data, recipes.IMAGENET):
        rows["recipe"] += f"; it is for {own}, and fitted to these images"
    rows["epochs"] = f"{recipe.epochs} of {len(run.loader):,} batches of {recipe.batch_size}" \
        + (f", {settings['accumulate']} of them an update" if settings["accumulate"] > 1 else "")
    rows["seed"] = str(settings["seed"])
    if "device" in settings:
        rows["device"] = settings["device"]
    rows["folder"] = str(run.folder) \
        + (f", resumed after {run.history.updates:,} updates" if run.history.updates else "")
    if "pretrained" in settings:
        rows["from"] = f"{settings['pretrained']}, " + (f"but for {', '.join(settings['drawn'])}, which are drawn anew"
                                                        if settings["drawn"] else "all of it")
    if "freeze" in settings:
        rows["frozen"] = f"{', '.join(settings['freeze'])}; {sum(trained):,} of the parameters are trained"
    if "lr_decay" in settings:
        rows["rates"] = ", ".join([f"{group['name']} {group['initial_lr']:.3g}" for group in run.optimizer.param_groups])
    print_rows(rows)


def epoch_line(row, epochs, settings):
    from minidl.train.progress import short
    test = "held out" if settings["hold_out"] else "test"
    return (f"epoch {row['epoch']:{len(str(epochs))}}/{epochs}  train loss {short(row['train_loss'])}, "
            f"{row['train_top1']:.2%} right  {test} loss {short(row['test_loss'])}, {row['test_top1']:.2%} right")
