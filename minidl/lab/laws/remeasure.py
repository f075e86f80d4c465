"""python -m minidl.lab.laws.remeasure: the table of deviations.py, measured again; minutes."""
from minidl.lab.laws import LAWS
from minidl.lab.laws.law import Exact
from minidl.lab.laws.run import run

FIRST_SEED, NETWORKS = 1000, 20          # others than those that are judged


def main():
    for law in LAWS.values():
        if law.tolerance is not None and not isinstance(law.tolerance, Exact):
            values = run(law, NETWORKS, FIRST_SEED).values
            print(f'    "{law.name}": ({values.std(ddof=1):.3g}, {values.mean() - law.predicted:.3g}),', flush=True)


if __name__ == "__main__":
    main()
