"""The study as one HTML file that needs nothing else: no network, no script."""
import base64
import html
from pathlib import Path
from string import Template

from minidl.lab.plain_vs_residual import pictures, sentences, story
from minidl.lab.plain_vs_residual.cases import NORMS
from minidl.lab.plain_vs_residual.verdicts import FAR, GUESSING


def page(rows, runs, how, drawn):
    """The HTML about a grid's Rows and about Runs, trained as `how` says; drawn: {name: the bytes of a PNG}."""
    captions = START | TRAINED
    shown = {name: figure(drawn[name], caption) for name, caption in captions.items()}
    return Template(Path(__file__).with_name("page.html").read_text()).substitute(
        deepest=max(row.case.layers for row in rows), setup=html.escape(setup(rows[0].task)),
        stories="".join(f"<h3>{html.escape(title)}</h3>{listed(said)}" for title, said in story.four_stories(rows).items()),
        start_pictures="".join(shown[name] for name in START), grid=table(rows),
        weights=listed(story.weights(rows)),
        training_setup=html.escape(f"{how}. The learning rate is chosen by training loss, one for all seeds."),
        comparisons=listed(story.comparisons(runs)), losses_picture=shown["losses"],
        trainings=listed(story.trainings(runs)), final_picture=shown["final"], healthy=listed(story.healthy(runs)),
        evening=listed(story.evening(runs)), profiles_picture=shown["profiles"], lesions=listed(story.lesions(runs)),
        lesions_picture=shown["lesions"], rules=listed(RULES))


RULES = [
    f"A gradient explodes if the 95 % interval of ||dL/dx_0|| / ||dL/dx_L|| lies above {FAR} and that of the factor per "
    f"layer above 1, vanishes if they lie below 1/{FAR} and 1, and neither in all other cases.",
    "It changes as a power of depth if log ||dL/dx_l|| is fitted better by a line in log(l + 1) than by one in l in every "
    "net, l counting blocks from the input; then neither word is used.",
    "It underflows if more than half of dL/dx_0 is exactly 0 in float32 and not in float64.",
    "The factor per layer is the slope of a line through log ||dL/dx_l||, without an eighth of the blocks at either end; "
    "the intervals are Student's, over nets drawn at random.",
    f"A network trains if the loss of the last epoch is below {GUESSING / 2:.2f}, half of what guessing costs, in every "
    "seed, and fails to train if it is in none.",
    "Of two networks one is called lower or higher if all of its seeds are below or above all seeds of the other. How often "
    "that happens by chance is said for each comparison by itself, though several are made.",
    f"A gradient evens out if ||dL/dx_0|| / ||dL/dx_L|| was more than {FAR} times away from 1 in a seed, and after one "
    "epoch is less than half as far from it, on a logarithmic scale, in every seed.",
    "A block hardly matters if leaving it out costs at most 5 more errors in a hundred on average over blocks and seeds; "
    "the network breaks if there are then at least 45 errors in a hundred, half of those of guessing."]


START = {
    "activations": "||dL/dx|| along the network, as a multiple of what it is at the last block: the mean of the logarithm "
                   "over nets, their range, and theory dashed.",
    "weights": "||dL/dW|| of the same networks, as a multiple of the last layer's. Fixup and zero-gamma are not drawn: of a "
               "branch that starts at 0 only the end has a gradient.",
    "two-laws": "The same constant, pi / (pi - 1), is the rate per layer of a plain network, and in the exponent of a "
                "residual one.",
    "rates": "The factor per layer of every network, beside theory's."}
TRAINED = {
    "losses": "Training loss by epoch.",
    "final": "Training loss of the last epoch, and test error, against depth.",
    "profiles": "Gradients of activations before, early and at the end of training.",
    "lesions": "Test error with one block left out, by its place."}


def setup(task):
    kind = "MLPs" if task.design.kind == "mlp" else "CNNs on random images of 8x8"
    return (f"{kind}, {pictures.setup(task).removeprefix(task.design.kind + ', ')}; inputs and output cotangent are random, "
            "N(0, 1). \"Residual\" is He et al. 2016's pre-activation order; \"post\" is He et al. 2015's.")


def listed(said):
    return f"<ul>{''.join(f'<li>{html.escape(sentence)}</li>' for sentence in said)}</ul>"


def figure(png, caption):
    """A picture inside the page."""
    return (f'<figure><img src="data:image/png;base64,{base64.b64encode(png).decode()}" alt="{html.escape(caption)}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>")


def table(rows):
    """All networks of the grid."""
    lines = ["<tr><th>norm</th><th>network</th><th>gain</th><th>per layer</th><th>95 %</th><th>theory</th><th>first by "
             "last</th><th></th></tr>"]
    for row in rows:
        rate, theory = row.rate, row.theory_rate
        cells = [sentences.factor(rate.factor), f"{sentences.factor(rate.low)} to {sentences.factor(rate.high)}",
                 sentences.factor(theory) if theory else "", sentences.number(row.total.factor)]
        lines.append(f"<tr><td>{NORMS[row.case.norm]}</td><td>{html.escape(row.case.name)}</td><td>{row.case.gain}</td>"
                     + "".join(f"<td class=number>{cell}</td>" for cell in cells)
                     + f"<td class={row.verdict}>{row.verdict}</td></tr>")
    return f"<table>{''.join(lines)}</table>"
