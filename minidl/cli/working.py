"""On a terminal, what is at work is shown meanwhile."""
from contextlib import contextmanager


@contextmanager
def working():
    """Within the block, call what this gives with a text. Where there is no terminal, nothing is printed."""
    from rich.console import Console
    with Console(stderr=True).status("starting") as status:
        yield status.update
