"""The page that the demo writes: what a network has learned, in one file that needs nothing else."""
import base64
import html
import io
import math
from pathlib import Path
from string import Template

import numpy as np

from minidl.nn import Conv2d
from minidl.train import predictions
from minidl.utils.data.files import replacing

BLUE, GREY, ORANGE = "#1f5fbf", "#8a8a8a", "#c65a11"


def write_page(path, run, report):
    """Write the page about a finished Run and the gradcheck Report of its network; the path it is in."""
    scores, labels, images = what_it_says(run)
    read = scores.argmax(1)
    wrong, right = np.flatnonzero(read != labels), np.flatnonzero(read == labels)
    conv = next(module for module in run.model.modules() if isinstance(module, Conv2d))
    transform = run.loader.dataset.transform
    F, _, KH, KW = conv.weight.shape
    rows, classes = run.history.rows, run.test_loader.dataset.classes
    confusion = np.zeros((len(classes), len(classes)), int)
    np.add.at(confusion, (labels, read), 1)
    text = Template(Path(__file__).with_name("page.html").read_text()).substitute(
        right=f"{np.mean(read == labels):.1%}", images=f"{len(labels):,}", train_images=f"{len(run.loader.dataset):,}",
        parameters=f"{sum(x.numel() for x in run.model.parameters()):,}", epochs=len(rows),
        first_error=f"{1 - rows[0]['test_top1']:.0%}", last_error=f"{1 - rows[-1]['test_top1']:.1%}",
        changed="each time turned and shifted a little, " if getattr(transform, "random", False) else "",
        curve=curve(rows), filters=filters(conv, images[right[0] if len(right) else 0]),
        filter_count=F, filter_size=f"{KH} x {KW}", batch_size=run.loader.batch_size,
        confusion=confusion_table(confusion, classes),
        confused=most_confused(confusion, classes), misread=misread(images, labels, scores, wrong, classes),
        wrong=how_many(len(wrong)), verdict=verdict(report), checks=check_table(report),
        folder=html.escape(str(run.folder)))
    with replacing(Path(path)) as file:
        file.write(text.encode())
    return Path(path)


def what_it_says(run):
    """Scores (N, classes), labels (N,) and images (N, 1, H, W) as the network sees them, of the test set."""
    said = [(scores.numpy(), labels.numpy()) for scores, labels in predictions(run.model, run.test_loader)]
    scores, labels = zip(*said)
    images = [images.numpy() for images, _ in run.test_loader]
    return np.concatenate(scores), np.concatenate(labels), np.concatenate(images)


# ---- the learning curve


def curve(rows, width=640, height=330):
    """The share of digits read wrongly after each epoch, of training and test, on a logarithmic scale."""
    left, right, top, bottom = 84, 14, 14, 56
    errors = {part: [1 - row[f"{part}_top1"] for row in rows] for part in ("train", "test")}
    nothing_wrong = 0 in errors["train"] + errors["test"]
    low = min([e for of_part in errors.values() for e in of_part if e > 0], default=0.001)
    lines = [e for e in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1) if e <= 1]
    floor = max([e for e in lines if e <= low], default=0.001)                  # no error at all is drawn here
    ceiling = min(e for e in lines if e > floor and e >= max(map(max, errors.values())))
    x = lambda epoch: left + (width - left - right) * (epoch - 1) / max(len(rows) - 1, 1)
    y = lambda e: top + (height - top - bottom) * math.log(ceiling / max(e, floor)) / math.log(ceiling / floor)
    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="learning curve">']
    for e in lines:
        if floor <= e <= ceiling:
            parts.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y(e):.1f}" y2="{y(e):.1f}"/>'
                         f'<text x="{left - 8}" y="{y(e) + 5:.1f}" text-anchor="end">'
                         f"{'0' if e == floor and nothing_wrong else f'{100 * e:g} %'}</text>")
    for epoch in sorted({1, len(rows), *range(5, len(rows) - 1, 5)}):
        parts.append(f'<text x="{x(epoch):.1f}" y="{height - bottom + 24}" text-anchor="middle">{epoch}</text>')
    parts.append(f'<text x="{(left + width - right) / 2}" y="{height - 4}" text-anchor="middle">epoch</text>')
    for part, colour in (("train", GREY), ("test", BLUE)):
        points = " ".join(f"{x(i):.1f},{y(e):.1f}" for i, e in enumerate(errors[part], 1))
        parts.append(f'<polyline points="{points}" stroke="{colour}"/>')
        parts += [f'<circle cx="{x(i):.1f}" cy="{y(e):.1f}" r="2.8" fill="{colour}"/>'
                  for i, e in enumerate(errors[part], 1)]
    return "".join([*parts, "</svg>"])


# ---- pictures


def picture(array, scale, label):
    """An <img> of gray values (H, W) or colours (H, W, 3), 0 to 1, every pixel `scale` wide."""
    from matplotlib.image import imsave

    file = io.BytesIO()
    array = np.clip(array, 0, 1)
    imsave(file, array if array.ndim == 3 else np.repeat(array[..., None], 3, 2), format="png")
    data = base64.b64encode(file.getvalue()).decode()
    return (f'<img src="data:image/png;base64,{data}" width="{array.shape[1] * scale}" '
            f'height="{array.shape[0] * scale}" alt="{html.escape(label)}">')


def signed(array):
    """Colours (H, W, 3): white for 0, blue below and orange above, the largest the darkest."""
    strength = array / max(abs(array).max(), 1e-12)
    ends = np.where(strength[..., None] > 0, *(np.array([int(c[i:i + 2], 16) for i in (1, 3, 5)]) / 255
                                               for c in (ORANGE, BLUE)))
    return 1 + (ends - 1) * abs(strength[..., None])


def ink(image):
    """A digit (1, H, W) as the network sees it, in black on white."""
    return 1 - (image[0] - image.min()) / max(np.ptp(image), 1e-12)


def filters(conv, image):
    """Each filter of the first layer beside what it makes of one image."""
    import minidl
    with minidl.no_grad():
        maps = conv(minidl.tensor(image[None])).tanh().numpy()[0]                               # (6, 28, 28)
    cells = [f"<figure>{picture(ink(image), 3, 'a digit of the test set')}<figcaption>the image</figcaption></figure>"]
    for i, (w, seen) in enumerate(zip(conv.weight.detach().numpy(), maps), 1):
        cells.append(f"<figure>{picture(signed(w[0]), 12, f'filter {i}')}{picture(signed(seen), 3, f'map {i}')}"
                     f"<figcaption>filter {i} and its map</figcaption></figure>")
    return "".join(cells)


# ---- what it read, and what it should have


def confusion_table(confusion, classes):
    """Rows: what was written. Columns: what was read."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in classes)
    lines = [f"<tr><th></th>{head}</tr>"]
    for i, name in enumerate(classes):
        cells = []
        for j, n in enumerate(confusion[i]):
            share = n / max(confusion[i].sum(), 1)
            colour = f"31,95,191,{0.08 + 0.5 * share:.2f}" if i == j else f"198,90,17,{0.25 + 0.75 * share:.2f}"
            cells.append(f'<td style="background:rgba({colour})">{n}</td>' if n else "<td></td>")
        lines.append(f"<tr><th>{html.escape(name)}</th>{''.join(cells)}</tr>")
    return f"<table class=confusion>{''.join(lines)}</table>"


def most_confused(confusion, classes):
    """A sentence about the most frequent mistakes."""
    mistakes = confusion * (1 - np.eye(len(classes), dtype=int))
    if not mistakes.any():
        return "Nothing was read wrongly."
    if mistakes.max() == 1:
        return "No mistake was made twice."
    pairs = [f"{classes[i]} read as {classes[j]}" for i, j in np.argwhere(mistakes == mistakes.max())]
    return f"Most often: {', '.join(pairs)}, {mistakes.max()} times{' each' if len(pairs) > 1 else ''}."


def misread(images, labels, scores, wrong, classes, most=12):
    """Misread digits with what was read instead, the surest mistakes first."""
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    cells = []
    for n in sorted(wrong, key=lambda n: -p[n].max())[:most]:
        was, said = classes[labels[n]], classes[p[n].argmax()]
        cells.append(f"<figure>{picture(ink(images[n]), 3, f'a {was}')}<figcaption>{was}, read as <b>{said}</b><br>"
                     f"{p[n].max():.0%} sure</figcaption></figure>")
    return "".join(cells)


def how_many(n):
    return {0: "No digit was misread", 1: "One digit was misread"}.get(n, f"{n} digits were misread")


# ---- the gradient


def verdict(report):
    checks = len(report.checks)
    if report.passed:
        return (f"All {checks} agree; the largest difference is {worst(report):.0e} of the derivative itself, as small "
                "as finite differences can tell.")
    return f"{sum(check.verdict != 'pass' for check in report.checks)} of {checks} do not agree: something is wrong."


def worst(report):
    return max(check.error / max(abs(check.numeric), 1e-300) for check in report.checks)


def check_table(report):
    lines = ["<tr><th>parameter</th><th>backpropagation</th><th>by trying</th><th></th></tr>"]
    for check in report.checks:
        lines.append(f"<tr><td>{html.escape(check.input)}</td><td>{check.backprop:.7g}</td><td>{check.numeric:.7g}</td>"
                     f"<td>{'✓' if check.verdict == 'pass' else html.escape(check.verdict)}</td></tr>")
    return f"<table class=checks>{''.join(lines)}</table>"
