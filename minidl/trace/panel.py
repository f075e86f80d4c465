"""What a view shows, without saying how it is drawn: a terminal, a page and a notebook draw the same panels."""
from dataclasses import dataclass, field

import numpy as np

WIDEST = 12                      # rows or columns of a matrix in text; of larger ones the middle is left out


@dataclass
class Text:
    """A paragraph."""
    text: str


@dataclass
class Formula:
    """A line of mathematics: `text` in Unicode, `mathml` for pages."""
    text: str
    mathml: str = ""


@dataclass
class Table:
    headings: list
    rows: list                   # of lists of texts and numbers


@dataclass
class Matrix:
    """Numbers in rows and columns; `lit` are the (row, column) places to point at."""
    caption: str
    numbers: np.ndarray          # (rows, columns)
    lit: list = field(default_factory=list)


@dataclass
class Panel:
    """A title, and blocks of Text, Formula, Table and Matrix below it."""
    title: str
    blocks: list

    def __str__(self):
        return "\n".join([self.title, *[line for block in self.blocks for line in lines_of(block)]])


def lines_of(block):
    """A block as lines of plain text."""
    if isinstance(block, (Text, Formula)):
        return ["  " + line for line in block.text.splitlines()]
    if isinstance(block, Table):
        return ["  " + line for line in columns([block.headings, *block.rows])]
    numbers, rows, cols = cut(block.numbers, block.lit)
    lit = {(rows.index(i), cols.index(j)) for i, j in block.lit if i in rows and j in cols}
    cells = [[f"[{number(x)}]" if (i, j) in lit else f" {number(x)} " for j, x in enumerate(row)]
             for i, row in enumerate(numbers)]
    return [f"  {block.caption}", *["    " + line for line in columns(cells)]]


def cut(numbers, lit=()):
    """At most WIDEST rows and columns of a matrix, and which ones they are: what is lit, and from both ends."""
    numbers = np.atleast_2d(numbers)
    picked = []
    for n, wanted in zip(numbers.shape, zip(*lit) if lit else ((), ())):
        ends = [at for pair in zip(range(n), reversed(range(n))) for at in pair]
        picked.append(sorted(list(dict.fromkeys([*sorted(set(wanted)), *ends]))[:WIDEST]))
    return numbers[np.ix_(*picked)], *picked


def columns(rows):
    """Rows of texts and numbers as lines with columns; numbers, and what looks like them, stand on the right."""
    texts = [[cell if isinstance(cell, str) else number(cell) for cell in row] for row in rows]
    widths = [max([len(row[i]) for row in texts if i < len(row)]) for i in range(max(map(len, texts), default=0))]
    right = [all([not isinstance(row[i], str) for row in rows[1:] if i < len(row)]) for i in range(len(widths))]
    return ["  ".join([cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right)]).rstrip()
            for row in texts]


def number(x):
    """A number in about seven letters."""
    if isinstance(x, (bool, np.bool_)):
        return "yes" if x else "no"
    if isinstance(x, (int, np.integer)):
        return f"{x:,}"
    x = float(x) + 0.0                           # which makes -0 a 0
    return f"{x:.4g}" if x == 0 or 1e-3 <= abs(x) < 1e5 else f"{x:.2e}"
