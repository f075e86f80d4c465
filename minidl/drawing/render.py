"""A Picture as text, in characters that draw lines, and as SVG; both can be read on light and on dark ground."""
from html import escape

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
LINES = dict(enumerate(" ╵╷│╴┘┐┤╶└┌├─┴┬┼"))           # by the sum of the directions that a line leaves the letter in


def text(picture):
    """The picture as lines of (text, style) spans; the style is "bold", "dim" or ""."""
    lines, letters = {}, {}
    for wire in picture.wires:
        for a, b in zip(wire, wire[1:]):
            line(lines, a, b)
    for box in picture.boxes:
        inset = 2 if box.framed else 0
        if box.framed:
            x0, y0, x1, y1 = box.x, box.y, box.x + box.width - 1, box.y + box.height - 1
            for a, b in ((x0, y0), (x1, y0)), ((x0, y1), (x1, y1)), ((x0, y0), (x0, y1)), ((x1, y0), (x1, y1)):
                line(lines, a, b)
        for i, (left, right) in enumerate(box.lines):
            y, end = box.y + i + box.framed, box.x + box.width - inset
            style = "bold" if i == 0 and box.kind in ("block", "title") else ""
            letters.update({(box.x + inset + j, y): (letter, style) for j, letter in enumerate(left)})
            letters.update({(end - len(right) + j, y): (letter, "dim") for j, letter in enumerate(right)})
    drawn = {place: (LINES[directions], "dim") for place, directions in lines.items()} | letters
    return [spans([drawn.get((x, y), (" ", "")) for x in range(picture.width)]) for y in range(picture.height)]


def line(lines, a, b):
    """Draw from one point to another in the same row or column."""
    (x0, y0), (x1, y1) = sorted([a, b])
    for x in range(x0, x1):
        lines[x, y0] = lines.get((x, y0), 0) | RIGHT
        lines[x + 1, y0] = lines.get((x + 1, y0), 0) | LEFT
    for y in range(y0, y1):
        lines[x0, y] = lines.get((x0, y), 0) | DOWN
        lines[x0, y + 1] = lines.get((x0, y + 1), 0) | UP


def spans(row):
    """Letters with their styles as runs of one style."""
    runs = []
    for letter, style in row:
        if runs and runs[-1][1] == style:
            runs[-1] = runs[-1][0] + letter, style
        else:
            runs.append((letter, style))
    return runs


# ---- SVG

X, Y = 7.5, 17                                       # the size of a letter in pixels
COLOURS = {"weights": "#a9cdf2", "block": "#f7c98b", "pool": "#aadfb8", "join": "#f3e28e", "point": "#d5d5d5",
           "other": "#dcc7ef"}                       # light enough for black letters on every one
INK = "#000000"
LINE = "#7d7d7d"                                     # as far from white as from black


def svg(picture, title):
    """The picture as an SVG document, on no ground of its own."""
    width, height = (picture.width + 2) * X, (picture.height + 2) * Y
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
             f'viewBox="0 0 {width:g} {height:g}" font-family="ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace" '
             f'font-size="12">', f"<title>{escape(title)}</title>",
             f'<g fill="none" stroke="{LINE}" stroke-width="1.5" stroke-linejoin="round" stroke-linecap="square">']
    letters = {(x, box.y) for box in picture.boxes if not box.framed for x in range(box.x, box.x + box.width)}
    for wire in picture.wires:
        shift = [0.6 if wire[0] in letters else 0, *[0 for _ in wire[2:]], -0.6 if wire[-1] in letters else 0]
        points = [f"{px(x):g},{py(y + dy):g}" for (x, y), dy in zip(wire, shift)]      # not into words without a frame
        parts.append(f'<polyline points="{" ".join(points)}"/>')
    parts += ["</g>"]
    for box in picture.boxes:
        parts += svg_box(box)
    return "\n".join([*parts, "</svg>\n"])


def px(x): return (x + 1.5) * X
def py(y): return (y + 1.5) * Y


def svg_box(box):
    """A box and what it says."""
    x0, x1 = px(box.x), px(box.x + box.width - 1)
    if box.kind == "end":
        yield words(box.lines[0][0], px(box.x + box.width // 2), py(box.y), LINE, "middle")
        return
    if box.kind == "title":
        yield words(box.lines[0][0], x0, py(box.y), LINE, bold=True)
        return
    y0, y1 = py(box.y), py(box.y + box.height - 1)
    yield (f'<rect x="{x0:g}" y="{y0:g}" width="{x1 - x0:g}" height="{y1 - y0:g}" rx="6" '
           f'fill="{COLOURS[box.kind]}" stroke="{LINE}"/>')
    for i, (left, right) in enumerate(box.lines):
        yield words(left, x0 + X, py(box.y + i + 1), INK, bold=i == 0 and box.kind == "block")
        if right:
            yield words(right, x1 - X, py(box.y + i + 1), INK, "end")


def words(text, x, y, colour, anchor="start", bold=False):
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y + 4:g}" fill="{colour}" text-anchor="{anchor}"{weight}>{escape(text.rstrip())}</text>'
