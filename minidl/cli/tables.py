"""Tables on the terminal; in a file or a pipe they are as wide as they need to be."""
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_table(headings, rows, right=(), cut=()):
    """Rows of strings under headings; the columns whose headings are in `right` are aligned right.

    cut : where there is too little room these columns lose it, and every row stays one line. Without, all columns do.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    short = lambda cell, heading: Text(cell, no_wrap=True, overflow="ellipsis") if heading in cut else cell
    for heading in headings:
        table.add_column(short(heading, heading), justify="right" if heading in right else "left", overflow="fold",
                         no_wrap=bool(cut) and heading not in cut)
    for row in rows:
        table.add_row(*map(short, row, headings))
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 500
    console.print(table)
