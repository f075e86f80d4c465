"""A window of any size that moves over one image: LANES neighbouring places of it at once, in ROWS rows.

What windows.py does for 3 x 3, all of the window in registers, cannot be done for every size: registers have no numbers
to loop over. Here the results of a block are in registers, and loops go through the window: down its bands of a few rows,
and in each from left to right. At each column j of a band, its weights are spread into a vector each, and all rows of
pixels below them are read, LANES neighbours of each:

    y[r, c + lane] += w[i, j] x[r + i - top, c + lane + j - left]            for ROWS rows r, all i of the band, all lanes

LANES neighbours mostly lie in two lines of the cache, and to read them takes longer than to multiply them. So the bands:
what is read once serves several rows of y. Rows of a window that lie apart are a band, too, for rows of y as far apart.

What lies to the left and to the right of an image is not loaded, and has a 0 in its lane; for a row above or below, the
row is `nothing`, as many zeros as a row has pixels. With a stride of 2, every lane is computed as if the stride were 1,
and then every second one is used: to sort lanes for each product would take longer.
"""
import contextlib

from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.simd import LANES, vectorized
from minidl.kernels.cpu.windows import AHEAD, ROWS, added_up, write

BANDS = 5, 2, 1              # rows of a window at a time: 5 weights and ROWS vectors fit into 16 registers


def correlating(stride):
    """The kernel `correlate`: y by x and w."""
    columns = LANES // stride                            # of y, in a vector

    @jit
    def correlate(images, x, x0, x_step, H, W, nothing, w, w0, turn, KH, KW, step_y, step_x, start, f,
                  y, y0, y_step, OH, OW, top, left, more):
        """y[n, r, c] = start[f] + the sum of w[i, j] x[n, stride r + i step_y - top, stride c + j step_x - left].

        With `more`, y grows by that instead. All lie in flat arrays: an image of x (H, W) at x0 + n x_step, one of
        y (OH, OW) at y0 + n y_step, and w (KH, KW) from w0 on; backwards, if `turn` is -1 and not 1.
        """
        for n in range(images):
            for r in range(OH):
                for c in range(OW):
                    total = start[f] + (y[y0 + n * y_step + r * OW + c] if more else y.dtype.type(0))
                    for i in range(KH):
                        for j in range(KW):
                            iy, ix = stride * r + i * step_y - top, stride * c + j * step_x - left
                            if 0 <= iy < H and 0 <= ix < W:
                                total += w[w0 + turn * (i * KW + j)] * x[x0 + n * x_step + iy * W + ix]
                    y[y0 + n * y_step + r * OW + c] = total

    @vectorized(correlate, apart=True)
    def correlate(code, images, x, x0, x_step, H, W, nothing, w, w0, turn, KH, KW, step_y, step_x, start, f,
                  y, y0, y_step, OH, OW, top, left, more):
        nobody, begin, strips = code.spare(1), start.spread(f), (OW + columns - 1) // columns
        with code.loop(images) as n, blocks(code, OH, ROWS, step_y) as row, code.loop(strips) as strip:
            column, image = strip * columns, Image(code, x, x0 + n * x_step, H, W, nothing)
            image.prefetch(row * stride, step_y, ROWS * stride, column * stride)
            totals = [code.variable(begin) for _ in range(ROWS)]
            for i, rows in bands(code, KH, BANDS):
                lines = [image.row(row * stride + (i + k) * step_y - top) for k in range((ROWS - 1) * stride + rows)]
                with code.loop(KW) as j:
                    weights = [w.spread(w0 + turn * ((i + below) * KW + j)) for below in range(rows)]
                    vectors = image.pixels(lines, column * stride + j * step_x - left)
                    for r, total in enumerate(totals):
                        for below, weight in enumerate(weights):
                            total.set(weight * vectors[r * stride + below] + total.get())
            inside = code.between(0, OW - column) & code.between(0, columns)
            for r, total in enumerate(totals):
                to = y.after(y0 + n * y_step + (row + r * step_y) * OW + column)
                used = code.shuffled(total.get(), total.get(), [lane * stride % LANES for lane in range(LANES)])
                write(code, code.choice(code.within(0, row + r * step_y, OH), to, nobody), used, inside, more)

    return correlate


correlate_1, correlate_2 = correlating(1), correlating(2)


@jit
def spread_2(images, y, y0, y_step, OH, OW, nothing, w, w0, KH, KW, x, x0, x_step, H, W, top, left, more):
    """x[n, 2 r + i - top, 2 c + j - left] = the sum of w[i, j] y[n, r, c]; with `more`, x grows by it."""
    for n in range(images):
        for iy in range(H):
            for ix in range(W):
                total = x[x0 + n * x_step + iy * W + ix] if more else x.dtype.type(0)
                for i in range((iy + top) % 2, KH, 2):
                    for j in range((ix + left) % 2, KW, 2):
                        r, c = (iy + top - i) // 2, (ix + left - j) // 2
                        if 0 <= r < OH and 0 <= c < OW:
                            total += w[w0 + i * KW + j] * y[y0 + n * y_step + r * OW + c]
                x[x0 + n * x_step + iy * W + ix] = total


@vectorized(spread_2, apart=True)
def spread_2(code, images, y, y0, y_step, OH, OW, nothing, w, w0, KH, KW, x, x0, x_step, H, W, top, left, more):
    """Rows of x are of two kinds, as they are reached from every second row of w, beginning at 0 or at 1; so are columns.

    LANES columns of each kind are computed from the same numbers of y, and go into a row by turns.
    """
    nobody, first, begin, high = code.spare(2), top >> 1, left >> 1, ROWS + 1        # as padding often leaves one more row
    strips = (((W - 1 + left) >> 1) - begin + LANES) // LANES
    with (code.loop(images) as n, blocks(code, ((H - 1 + top) >> 1) - first + 1, high) as block, code.loop(strips) as strip,
          code.loop(2) as d):
        row, column, image = first + block, begin + strip * LANES, Image(code, y, y0 + n * y_step, OH, OW, nothing)
        image.prefetch(row, 1, high, column)
        totals = [[code.variable(code.zero()) for _ in range(2)] for _ in range(high)]
        for e in range(2):
            for i, rows in bands(code, (KH + 1 - d) // 2, BANDS[1:]):
                lines = [image.row(row - i + k) for k in range(1 - rows, high)]
                with code.loop((KW + 1 - e) // 2) as j:
                    weights = [w.spread(w0 + ((i + above) * 2 + d) * KW + j * 2 + e) for above in range(rows)]
                    vectors = image.pixels(lines, column - j)
                    for r, total in enumerate(totals):
                        for above, weight in enumerate(weights):
                            total[e].set(weight * vectors[r + rows - 1 - above] + total[e].get())
        ix = column * 2 - left
        inside = [code.between(0 - ix - v * LANES, W - ix - v * LANES) for v in range(2)]
        for r, (even, odd) in enumerate(totals):
            iy = (row + r) * 2 + d - top
            to = code.choice(code.within(0, iy, H), x.after(x0 + n * x_step + iy * W + ix), nobody)
            for v, total in enumerate(code.interleaved(even.get(), odd.get())):
                write(code, to.after(v * LANES), total, inside[v], more)


def comparing(stride):
    """The kernel `compare`: w by x and y."""
    columns = LANES // stride

    @jit
    def compare(images, y, y0, y_step, OH, OW, x, x0, x_step, H, W, nothing, w, w0, KH, KW, step_y, step_x, top, left, sums):
        """w[i, j] = the sum of x[n, stride r + i step_y - top, stride c + j step_x - left] y[n, r, c] over n, r and c.

        `sums` is memory for as many vectors as w has numbers.
        """
        for i in range(KH):
            for j in range(KW):
                total = w.dtype.type(0)
                for n in range(images):
                    for r in range(OH):
                        for c in range(OW):
                            iy, ix = stride * r + i * step_y - top, stride * c + j * step_x - left
                            if 0 <= iy < H and 0 <= ix < W:
                                total += x[x0 + n * x_step + iy * W + ix] * y[y0 + n * y_step + r * OW + c]
                w[w0 + i * KW + j] = total

    @vectorized(compare, apart=True)
    def compare(code, images, y, y0, y_step, OH, OW, x, x0, x_step, H, W, nothing, w, w0, KH, KW, step_y, step_x, top, left,
                sums):
        """Here the rows of y are in registers, and sums are not: there are too many."""
        with code.loop(KH * KW) as place:
            sums.store(place * LANES, code.zero())
        strips = (OW + columns - 1) // columns
        with code.loop(images) as n, blocks(code, OH, ROWS, step_y) as row, code.loop(strips) as strip:
            column, image = strip * columns, Image(code, x, x0 + n * x_step, H, W, nothing)
            gradient = Image(code, y, y0 + n * y_step, OH, OW, nothing)
            image.prefetch(row * stride, step_y, ROWS * stride, column * stride)
            gradient.prefetch(row, step_y, ROWS, column)
            there = code.between(0, OW - column)
            numbers = [gradient.row(row + r * step_y).load_where(column, there) for r in range(ROWS)]
            if stride == 2:
                numbers = [code.interleaved(vector, code.zero())[0] for vector in numbers]
            for i, rows in bands(code, KH, BANDS):
                lines = [image.row(row * stride + (i + k) * step_y - top) for k in range((ROWS - 1) * stride + rows)]
                with code.loop(KW) as j:
                    vectors = image.pixels(lines, column * stride + j * step_x - left)
                    for below in range(rows):
                        place = ((i + below) * KW + j) * LANES
                        total = sums.load(place)
                        for r, number in enumerate(numbers):
                            total = number * vectors[r * stride + below] + total
                        sums.store(place, total)
        with code.loop(KH * KW) as place:
            w.store_some(w0 + place, added_up(code, sums.load(place * LANES)), 1)

    return compare


compare_1, compare_2 = comparing(1), comparing(2)


# ---- what the three have in common


@contextlib.contextmanager
def blocks(code, rows, size, apart=1):
    """The first row of every block: of `size` rows, each `apart` rows below the one before."""
    all = apart * size
    with code.loop(apart) as first, code.loop((rows + all - 1) // all) as block:
        yield block * all + first


def bands(code, rows, sizes):
    """The first row and the number of rows of every band: as many as there are of the first size, then of the next."""
    done = code.integer(0)
    for size in sizes:
        whole = (rows - done) // size
        with code.loop(whole) as band:
            yield done + band * size, size
        done = done + whole * size


class Image:
    """An image (H, W) with zeros around it; `nothing` is as many zeros as a row has pixels, or more."""

    def __init__(self, code, x, x0, H, W, nothing):
        self.code, self.x, self.x0, self.H, self.W, self.nothing = code, x, x0, H, W, nothing

    def row(self, iy):
        """The array that row iy begins at."""
        return self.code.choice(self.code.within(0, iy, self.H), self.x.after(self.x0 + iy * self.W), self.nothing)

    def pixels(self, rows, first):
        """The LANES pixels from place `first` on of these rows."""
        inside = self.code.between(0 - first, self.W - first)
        return [row.load_where(first, inside) for row in rows]

    def prefetch(self, iy, apart, rows, ix):
        """Ask for what lies AHEAD of so many rows from (iy, ix) on."""
        for r in range(rows):
            self.x.prefetch(self.x0 + (iy + r * apart) * self.W + ix + AHEAD)
