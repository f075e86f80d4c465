"""What training has come to, epoch by epoch: a table in a CSV file and a curve in a picture."""
import csv
import io
from pathlib import Path

from minidl.utils.data.files import replacing

COLUMNS = ("epoch", "updates", "lr", "train_loss", "train_top1", "test_loss", "test_top1", "test_top5")


class History:
    """One row per epoch. Training figures are means over the epoch, taken while the weights were changing.

        history.add(step)            after every TrainStep
        history.end_epoch(result)    after the last of an epoch, with an Evaluation

    The steps are read when the figures are wanted: on a GPU, their numbers may still be on the way.
    """

    def __init__(self):
        self.rows, self.updates, self._unread = [], 0, []
        self._start_epoch()

    def _start_epoch(self):
        self.loss = self.images = self.correct = 0

    def add(self, step):
        self.updates += 1
        self.lr = step.lr
        self._unread.append(step)

    def _read(self):
        for step in self._unread:
            self.loss += step.loss * step.images
            self.images += step.images
            self.correct += step.correct
        self._unread = []

    def end_epoch(self, evaluation):
        self._read()
        row = (len(self.rows) + 1, self.updates, self.lr, self.loss / self.images, self.correct / self.images,
               evaluation.loss, evaluation.top1, evaluation.top5)
        self.rows.append(dict(zip(COLUMNS, row)))
        self._start_epoch()
        return self.rows[-1]

    def column(self, name):
        return [row[name] for row in self.rows]

    def state_dict(self):
        self._read()
        numbers = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return numbers | {"rows": [dict(row) for row in self.rows]}

    def load_state_dict(self, state):
        vars(self).update(state)

    def save_csv(self, path):
        """Numbers as Python prints them, so that none loses a bit."""
        text = io.StringIO()
        table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        with replacing(Path(path)) as file:
            file.write(text.getvalue().encode())

    def save_picture(self, path):
        """The learning curve: loss on the left, top-1 error on the right, of training and of test."""
        picture = io.BytesIO()
        figure = learning_curve(self.rows)
        figure.savefig(picture, format=Path(path).suffix[1:], dpi=120)
        with replacing(Path(path)) as file:
            file.write(picture.getvalue())


def learning_curve(rows):
    """A matplotlib figure of a history's rows."""
    from matplotlib.figure import Figure  # not pyplot: needs no screen and keeps no state

    figure = Figure((9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in rows]
    for part, colour in (("train", "#8a8a8a"), ("test", "#1f5fbf")):
        style = {"color": colour, "label": part, "marker": "o" if len(rows) <= 30 else None, "markersize": 3}
        left.plot(epochs, [row[f"{part}_loss"] for row in rows], **style)
        right.plot(epochs, [100 * (1 - row[f"{part}_top1"]) for row in rows], **style)
    for axes, title in ((left, "loss"), (right, "error, %")):
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        if all(line.get_ydata().min() > 0 for line in axes.lines):
            axes.set_yscale("log")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    right.legend(frameon=False)
    return figure
