"""minidl models"""


def models():
    """All networks: year, paper, parameters, and multiply-adds (MACs) for an image as large as the paper's."""
    from minidl.cli.tables import print_table
    from minidl.summary import count, times
    rows = [[name, str(known.year), known.paper, count(parameters), rounded(macs), times(known.input_shape)]
            for name, known, parameters, macs in costs()]
    print_table(["network", "year", "paper", "parameters", "MACs", "input"], rows, right=["parameters", "MACs"],
                cut=["paper"])


def costs():
    """(name, entry of MODELS, parameters, MACs) of all networks, the oldest first."""
    import architectures
    import minidl
    from minidl.summary import cost
    for name, known in sorted(architectures.MODELS.items(), key=lambda item: item[1].year):
        with minidl.device("meta"):
            network = architectures.build(name)
        yield name, known, *cost(network, known.input_shape)


def rounded(n):
    """Three digits, as papers print it: 3.86 G."""
    n = float(f"{n:.2e}")
    for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= factor:
            return f"{n / factor:.3g} {unit}"
    return f"{n:.3g}"
