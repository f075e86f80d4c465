"""The commands by name. Each loads what it needs when it runs, so that `minidl --help` answers at once."""
import typer

from minidl.cli import (
    bench,
    data,
    demo,
    draw,
    evaluate,
    exercise,
    gradcheck,
    lab,
    lineage,
    models,
    recipes,
    step,
    summary,
    train,
)

app = typer.Typer(
    help="Train, evaluate and take apart neural networks. Every command explains itself: minidl train --help",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def options(debug: bool = typer.Option(False, "--debug", help="Show where in minidl an error came from.")):
    pass                                     # main() looks for it: it may stand anywhere in the line


app.command("demo")(demo.demo)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("gradcheck")(gradcheck.gradcheck)
app.command("models")(models.models)
app.command("lineage")(lineage.lineage)
app.command("recipes")(recipes.recipes)
app.command("summary")(summary.summary)
app.command("draw")(draw.draw)
app.command("step")(step.step)
app.command("exercise")(exercise.exercise)
app.add_typer(bench.app, name="bench")
app.add_typer(data.app, name="data")
app.add_typer(lab.app, name="lab")
