"""Training made visible: a bar on a terminal, a line now and then elsewhere."""
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

EYE = 0.1                    # seconds; a bar that changes more often than that is not seen to


def watched(steps, loader, epochs, *, accumulate=1, console=None, every=10.0):
    """The same TrainSteps, shown as they pass: loss, images per second, time left.

        for step in watched(train(model, loader, optimizer, epochs), loader, epochs):

    Where there is no terminal it is a plain line every `every` seconds. What else is to be said meanwhile,
    say with `console.print`.
    """
    console = console or Console()
    speed, shown = Speed(epochs * -(-len(loader) // accumulate)), time.monotonic()
    if not console.is_terminal:
        for step in steps:
            speed.add(step, accumulate, len(loader))
            if time.monotonic() - shown > every:
                shown = time.monotonic()
                console.print(f"epoch {step.epoch + 1}/{epochs}  batch {step.batch + 1}/{len(loader)}  {speed}",
                              highlight=False, soft_wrap=True)
            yield step
        return
    with Progress(TextColumn("{task.description}"), BarColumn(None), TextColumn("{task.fields[speed]}"),
                  console=console, transient=True) as bar:
        task = bar.add_task("the first step compiles the kernels", total=speed.total, speed="")
        for step in steps:
            speed.add(step, accumulate, len(loader))
            if time.monotonic() - shown > EYE:
                shown = time.monotonic()
                bar.update(task, description=f"epoch {step.epoch + 1}/{epochs}", completed=speed.done, speed=str(speed))
            yield step


class Speed:
    """Images per second and time left, from the steps since the first one (which compiled the kernels).

    Losses are read when they are shown: until then a GPU need not be waited for.
    """

    def __init__(self, total):
        self.total, self.done, self.images, self.unread = total, 0, 0, []
        self.start = self.first = self.loss = None

    def add(self, step, accumulate, batches):
        self.done = step.epoch * -(-batches // accumulate) + step.batch // accumulate + 1
        self.unread.append(step)
        if self.start is None:
            self.start, self.first = time.monotonic(), self.done
        else:
            self.images += step.images

    def __str__(self):
        return f"loss {short(self.mean_loss())}  {self.rate():,.0f} images/s  {clock(self.left())} left"

    def mean_loss(self):
        """Of the latest steps: one that is n steps old weighs 0.95^n."""
        for step in self.unread:
            self.loss = step.loss if self.loss is None else 0.95 * self.loss + 0.05 * step.loss
        self.unread = []
        return self.loss

    def rate(self):
        return self.images / max(time.monotonic() - self.start, 1e-9)

    def left(self):
        """Seconds, or None before anything was measured."""
        steps = self.done - self.first
        return (time.monotonic() - self.start) / steps * (self.total - self.done) if steps else None


def short(loss):
    """A loss in few digits, also where it explodes."""
    return f"{loss:.4f}" if loss < 1e4 else f"{loss:.2e}"


def clock(seconds):
    """3:05 or 1:02:03."""
    if seconds is None:
        return "?"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if minutes >= 60 else f"{minutes}:{seconds:02}"
