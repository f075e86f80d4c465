"""How much one network differs from the next: what tolerances are made of.

`python -m minidl.lab.laws.deviations` measures the table again, and prints it.
"""
from collections import defaultdict

FIRST_SEED, NETWORKS = 1000, 20          # others than those that are judged

# law: (standard deviation of the value of one network, mean minus prediction)
DEVIATIONS = defaultdict(lambda: (1.0, 0.0), {
})


def measure():
    """Lines of the table above, one law after the other."""
    from minidl.lab.laws import LAWS
    from minidl.lab.laws.law import Exact
    from minidl.lab.laws.run import run
    for law in LAWS.values():
        if law.tolerance is not None and not isinstance(law.tolerance, Exact):
            values = run(law, NETWORKS, FIRST_SEED).values
            yield f'    "{law.name}": ({values.std(ddof=1):.3g}, {values.mean() - law.predicted:.3g}),'


if __name__ == "__main__":
    for line in measure():
        print(line, flush=True)
