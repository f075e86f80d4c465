"""Training made visible: a bar on a terminal, a line now and then elsewhere."""
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn


def watched(steps, loader, epochs, *, accumulate=1, console=None, every=10.0):
    """The same TrainSteps, shown as they pass: loss, images per second, time left.

        for step in watched(train(model, loader, optimizer, epochs), loader, epochs):

    Where there is no terminal it is a plain line every `every` seconds. What else is to be said meanwhile,
    say with `console.print`.
    """
    console = console or Console()
    speed = Speed(epochs * -(-len(loader) // accumulate))
    if not console.is_terminal:
        said = time.monotonic()
        for step in steps:
            speed.add(step, accumulate, len(loader))
            if time.monotonic() - said > every:
                said = time.monotonic()
                console.print(line(step, epochs, loader, speed), highlight=False)
            yield step
        return
    columns = TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"), BarColumn(None), TextColumn(
        "loss {task.fields[loss]:.4f}  {task.fields[rate]:,.0f} images/s  {task.fields[left]} left")
    with Progress(*columns, console=console, transient=True) as bar:
        task = None
        for step in steps:
            speed.add(step, accumulate, len(loader))
            shown = {"epoch": step.epoch + 1, "epochs": epochs, "loss": speed.loss, "rate": speed.rate(),
                     "left": clock(speed.left())}
            if task is None:
                task = bar.add_task("", total=speed.total, **shown)
            bar.update(task, completed=speed.done, **shown)
            yield step


def line(step, epochs, loader, speed):
    return (f"epoch {step.epoch + 1}/{epochs}  batch {step.batch + 1}/{len(loader)}  loss {speed.loss:.4f}  "
            f"{speed.rate():,.0f} images/s  {clock(speed.left())} left")


class Speed:
    """Images per second and time left, from the steps since the first one (which compiled the kernels)."""

    def __init__(self, total):
        self.total, self.done, self.images, self.loss = total, 0, 0, None
        self.start = self.first = None

    def add(self, step, accumulate, batches):
        self.done = step.epoch * -(-batches // accumulate) + step.batch // accumulate + 1
        self.loss = step.loss if self.loss is None else 0.95 * self.loss + 0.05 * step.loss
        if self.start is None:
            self.start, self.first = time.monotonic(), self.done
        else:
            self.images += step.images

    def rate(self):
        return self.images / max(time.monotonic() - self.start, 1e-9)

    def left(self):
        """Seconds, or None before anything was measured."""
        steps = self.done - self.first
        return (time.monotonic() - self.start) / steps * (self.total - self.done) if steps else None


def clock(seconds):
    """3:05 or 1:02:03."""
    if seconds is None:
        return "?"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if minutes >= 60 else f"{minutes}:{seconds:02}"
