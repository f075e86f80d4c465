"""minidl lineage"""
from pathlib import Path
from typing import Annotated

import typer


def lineage(
    out: Annotated[Path, typer.Option(metavar="FILE.svg", help="Draw it, too, into an .svg or a .png.")] = None,
):
    """What networks cost and how often they are wrong, as published: parameters, MACs, top-1 and top-5 error."""
    from architectures.accuracies import RESULTS
    from minidl.cli.models import costs, rounded
    from minidl.cli.tables import print_table
    from minidl.summary import count
    if out and out.suffix not in (".svg", ".png"):
        raise ValueError(f"lineage: {out} should end in .svg or .png, which is what can be drawn")
    known = {name: (model, parameters, macs) for name, model, parameters, macs in costs()}
    oldest_first = sorted(RESULTS, key=lambda result: list(known).index(result.network))
    for data in dict.fromkeys([result.data for result in RESULTS]):
        rows = []
        for result in oldest_first:
            if result.data == data:
                model, parameters, macs = known[result.network]
                rows.append([str(model.year), result.network, count(parameters), rounded(macs), percent(result.top1),
                             percent(result.top5), result.tested, result.source])
        print(f"{data}, errors in percent")
        print_table(["year", "network", "parameters", "MACs", "top-1", "top-5", "tested", "source"], rows,
                    right=["parameters", "MACs", "top-1", "top-5"], cut=["source"])
    missing = known.keys() - {result.network for result in RESULTS}
    print(f"left out, for want of a paper with such a number: {', '.join([name for name in known if name in missing])}")
    if out:
        draw(known, out)
        print(f"the lineage is drawn in {out}")


def percent(error):
    """With one digit after the point, or two where that is not all."""
    return "" if error is None else f"{error:.1f}" if error == round(error, 1) else f"{error:.2f}"


def draw(known, out):
    """Three panels of what can be compared."""
    from architectures.accuracies import AS_IT_IS, FAMILIES, ONE_CROP, RESULTS, TEN_CROPS
    from minidl.bench.pictures import save
    from minidl.cli.lineage_picture import Point, picture

    def points(data, tested):
        return [Point(result.network, known[result.network][0].year, *known[result.network][1:], result.top1)
                for result in RESULTS if (result.data, result.tested) == (data, tested) and result.top1 is not None]
    save(picture([("ImageNet, one crop of each image", points("ImageNet", ONE_CROP)),
                  ("ImageNet, ten crops", points("ImageNet", TEN_CROPS)),
                  ("CIFAR-10", points("CIFAR-10", AS_IT_IS))], FAMILIES), out)
