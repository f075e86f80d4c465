"""Tables on the terminal; in a file or a pipe they are as wide as they need to be."""
from rich import box
from rich.console import Console
from rich.table import Table


def print_table(headings, rows, right=()):
    """Rows of strings under headings; the columns whose headings are in `right` are aligned right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 500
    console.print(table)
