"""minidl models"""


def models():
    """All networks: year, paper, parameters, and multiply-adds (MACs) for an image as large as the paper's."""
    import architectures
    import minidl
    from minidl.cli.tables import print_table
    from minidl.summary import cost, count, times
    rows = []
    for name, known in sorted(architectures.MODELS.items(), key=lambda item: item[1].year):
        with minidl.device("meta"):
            network = architectures.build(name)
        parameters, macs = cost(network, known.input_shape)
        rows.append([name, str(known.year), known.paper, count(parameters), rounded(macs), times(known.input_shape)])
    print_table(["network", "year", "paper", "parameters", "MACs", "input"], rows, right=["parameters", "MACs"],
                cut=["paper"])


def rounded(n):
    """Three digits, as papers print it: 3.86 G."""
    n = float(f"{n:.2e}")
    for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= factor:
            return f"{n / factor:.3g} {unit}"
    return f"{n:.3g}"
