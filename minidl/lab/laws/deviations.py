"""How much one network differs from the next, and all of them from theory: what tolerances are made of.

`python -m minidl.lab.laws.remeasure` measures the table again, and prints it.
"""
from collections import defaultdict

# law: (standard deviation of the value of one network, mean minus prediction), both over 20 networks
DEVIATIONS = defaultdict(lambda: (1.0, 0.0), {
})
