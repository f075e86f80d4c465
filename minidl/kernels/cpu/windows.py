"""Windows that move over one image: LANES of them side by side, a vector's width of columns from top to bottom.

Of a row of x, LANES pixels that begin one column further on for each column of the filter are loaded, and take part in
all sums that they belong to before the next row comes. Sums that still wait for rows stay in registers. For a filter of
3 x 3 and a stride of 1, a row of x is

    the last one for the row of y above,       through the filter's bottom row: that sum is complete;
    the middle one for the row of y beside it,
    and the first one for the row below        through the filter's top row: that sum begins.

That is 3 loads, 9 products and a store for LANES numbers of y. Nothing is padded or moved anywhere: what lies outside
of an image is not loaded, and a 0 is in its lane. With a stride of 2, two vectors are loaded, and their even and odd
lanes are sorted.

A kernel is written for filters of SIZE x SIZE and one stride, because registers have no numbers to loop over.
"""
import functools
import operator

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.moves import interleaved
from minidl.kernels.cpu.simd import LANES, vectorized


def correlating(size, stride):
    """The kernel `correlate`: y by x and w."""
    waiting = (size - 1) // stride                       # rows of y, whose sums are not complete after a step
    columns = width(size, stride)

    @jit
    def correlate(x, x0, H, W, w, w0, start, f, y, y0, OH, OW, top, left, row, rows, column, more):
        """y[r, c] = start[f] + the sum of w[i, j] x[stride r + i - top, stride c + j - left] for `rows` rows and
        LANES columns, or as many as y has; with `more`, y grows by the sum.

        All lie in flat arrays: x (H, W) at x0, w (size, size) at w0, y (OH, OW) at y0.
        """
        for r in range(row, min(row + rows, OH)):
            for c in range(column, min(column + columns, OW)):
                total = y[y0 + r * OW + c] if more else start[f]
                for i in range(size):
                    for j in range(size):
                        iy, ix = stride * r + i - top, stride * c + j - left
                        if 0 <= iy < H and 0 <= ix < W:
                            total += w[w0 + i * size + j] * x[x0 + iy * W + ix]
                y[y0 + r * OW + c] = total

    @vectorized(correlate)
    def correlate(code, x, x0, H, W, w, w0, start, f, y, y0, OH, OW, top, left, row, rows, column, more):
        weights = [[w.spread(w0 + i * size + j) for j in range(size)] for i in range(size)]
        pixels = Columns(code, x, x0, H, W, column * stride - left, size, stride)
        begin = code.variable(start.spread(f))
        with code.when(more):
            begin.set(code.zero())
        inside = code.between(0, OW - column) & code.between(0, columns)
        sums = [code.variable(begin.get()) for _ in range(waiting)]              # of rows t - waiting .. t - 1
        with code.loop(rows + waiting) as t:
            totals = [*[sum.get() for sum in sums], begin.get()]
            for d in range(stride):
                vectors = pixels.row((row + t) * stride + d - top)
                for back, i in enumerate(range(d, size, stride)):                # this is row i for y's row t - back
                    totals[waiting - back] += sum_of(weight * vector for weight, vector in zip(weights[i], vectors))
            done, *others = totals
            r = row + t - waiting
            store = inside & code.within(row, r, OH)
            place = y0 + r * OW + column
            result = code.variable(done)
            with code.when(more):
                result.set(done + y.load_where(place, store))
            y.store_where(place, result.get(), store)
            for sum, total in zip(sums, others):
                sum.set(total)

    return correlate


def spreading(size, stride):
    """The kernel `spread`: x by y and w, the transpose of `correlate`."""
    rows_of_x = max(size, stride)                        # to which a row of y contributes, or which come after it
    waiting = rows_of_x - stride
    reach = (size - 1) // stride                         # how many columns back the filter's last column contributes
    columns = width(reach + 1, 1)

    @jit
    def spread(y, y0, OH, OW, w, w0, x, x0, H, W, top, left, row, rows, column, more):
        """x[stride r + i - top, stride c + j - left] = the sum of w[i, j] y[r, c], in the rows of x that `rows` steps
        of y's rows complete, and stride times LANES columns; with `more`, x grows by the sum.

        The columns are those that begin with stride * column - left.
        """
        for iy in range(max(0, row * stride - top), min(H, (row + rows) * stride - top)):
            for ix in range(max(0, column * stride - left), min(W, (column + columns) * stride - left)):
                total = x[x0 + iy * W + ix] if more else x.dtype.type(0)
                for i in range((iy + top) % stride, size, stride):
                    for j in range((ix + left) % stride, size, stride):
                        r, c = (iy + top - i) // stride, (ix + left - j) // stride
                        if 0 <= r < OH and 0 <= c < OW:
                            total += w[w0 + i * size + j] * y[y0 + r * OW + c]
                x[x0 + iy * W + ix] = total

    @vectorized(spread)
    def spread(code, y, y0, OH, OW, w, w0, x, x0, H, W, top, left, row, rows, column, more):
        weights = [[w.spread(w0 + i * size + j) for j in range(size)] for i in range(size)]
        pixels = Columns(code, y, y0, OH, OW, column - reach, reach + 1, 1)
        begin, warm = column * stride - left, waiting // stride + (waiting % stride > 0)
        inside = [code.between(0 - begin - v * LANES, W - begin - v * LANES) for v in range(stride)]
        sums = [[code.variable(code.zero()) for _ in range(stride)] for _ in range(waiting)]
        with code.loop(rows + warm) as t:
            r = row + t - warm
            vectors = pixels.row(r)[::-1]                # y's columns c, c - 1, ...
            totals = [[sum.get() for sum in sums[i]] if i < waiting else [code.zero()] * stride
                      for i in range(rows_of_x)]
            for i in range(size):
                for b in range(min(size, stride)):
                    totals[i][b] += sum_of(weights[i][j] * vectors[j // stride] for j in range(b, size, stride))
            for d in range(stride):
                iy = r * stride + d - top
                results = totals[d] if stride == 1 else interleaved(code, *totals[d])
                for v, (done, lanes) in enumerate(zip(results, inside)):
                    store = lanes & code.within(0, iy, H) & code.within(row, r, row + rows)
                    place = x0 + iy * W + begin + v * LANES
                    result = code.variable(done)
                    with code.when(more):
                        result.set(done + x.load_where(place, store))
                    x.store_where(place, result.get(), store)
            for sum_row, total_row in zip(sums, totals[stride:]):
                for sum, total in zip(sum_row, total_row):
                    sum.set(total)

    return spread


def comparing(size, stride):
    """The kernel `compare`: w by x and y, with a sum for each lane."""
    waiting, columns = (size - 1) // stride, width(size, stride)

    @jit
    def compare(y, y0, OH, OW, x, x0, H, W, sums, s0, top, left, row, rows, column):
        """sums[i, j, lane] grows by the sum of x[stride r + i - top, stride c + j - left] y[r, c] for `rows` rows and
        the column c = column + lane. The sums (size, size, LANES) lie at s0.
        """
        for r in range(row, min(row + rows, OH)):
            for c in range(column, min(column + columns, OW)):
                for i in range(size):
                    for j in range(size):
                        iy, ix = stride * r + i - top, stride * c + j - left
                        if 0 <= iy < H and 0 <= ix < W:
                            sums[s0 + (i * size + j) * LANES + c - column] += x[x0 + iy * W + ix] * y[y0 + r * OW + c]

    @vectorized(compare)
    def compare(code, y, y0, OH, OW, x, x0, H, W, sums, s0, top, left, row, rows, column):
        places = [[s0 + (i * size + j) * LANES for j in range(size)] for i in range(size)]
        totals = [[code.variable(sums.load(place)) for place in line] for line in places]
        pixels = Columns(code, x, x0, H, W, column * stride - left, size, stride)
        inside = code.between(0, OW - column) & code.between(0, columns)
        before = [code.variable(code.zero()) for _ in range(waiting)]            # rows t - 1, t - 2, ... of y
        with code.loop(rows + waiting) as t:
            r = row + t
            now = y.load_where(y0 + r * OW + column, inside & code.within(row, r, row + rows) & code.within(0, r, OH))
            lines = [now, *[line.get() for line in before]]
            for d in range(stride):
                vectors = pixels.row(r * stride + d - top)
                for line, i in zip(lines, range(d, size, stride)):
                    for total, vector in zip(totals[i], vectors):
                        total.set(vector * line + total.get())
            for variable, line in zip(before, lines):
                variable.set(line)
        for total, place in zip(sum_rows(totals), sum_rows(places)):
            sums.store(place, total.get())

    return compare


def sum_of(vectors):
    """Added to one another before they are added to what waits for them: then nothing waits for long."""
    return functools.reduce(operator.add, vectors)


def sum_rows(rows):
    return [one for row in rows for one in row]


class Columns:
    """LANES columns of an image (H, W) for each column j of a filter: those from `first` + j on, a stride apart.

    As few vectors as possible are loaded, and their lanes sorted.
    """

    def __init__(self, code, x, x0, H, W, first, size, stride):
        self.code, self.x, self.x0, self.H, self.W, self.first, self.size, self.stride = (
            code, x, x0, H, W, first, size, stride)
        self.inside = [code.between(0 - first - v * LANES, W - first - v * LANES) for v in range(loads(size, stride))]

    def row(self, iy):
        """The vectors of row iy, one for each j."""
        row = self.code.within(0, iy, self.H)
        place = self.x0 + iy * self.W + self.first
        loaded = [self.x.load_where(place + v * LANES, lanes & row) for v, lanes in enumerate(self.inside)]
        lanes = [[min(j + lane * self.stride, 2 * LANES - 1) for lane in range(LANES)] for j in range(self.size)]
        return [loaded[0] if lanes[j] == list(range(LANES)) else self.code.shuffled(loaded[0], loaded[-1], lanes[j])
                for j in range(self.size)]


def loads(size, stride):
    """Vectors of a row that are loaded: so many that not many lanes are left over."""
    return stride if size == 1 or LANES > 8 else 2


def width(size, stride):
    """Columns that a filter of this size can move over in what is loaded."""
    return min(LANES, (loads(size, stride) * LANES - size) // stride + 1)
