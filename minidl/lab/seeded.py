"""seeded: a with-block with random numbers of its own."""
from contextlib import contextmanager

import minidl


@contextmanager
def seeded(seed):
    """minidl's default generator starts from `seed`, and afterwards goes on where it was before."""
    before = minidl.get_rng_state()
    minidl.manual_seed(seed)
    try:
        yield
    finally:
        minidl.set_rng_state(before)
