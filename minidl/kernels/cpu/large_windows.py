"""A window of any size that moves over one image: LANES neighbouring places of it at once, in ROWS rows.

What windows.py does for 3 x 3 cannot be done for every size: registers have no numbers to loop over. Here only the
results of a block are in registers. For each place (i, j) of the window, one after the other, a weight is spread into a
vector, and pixels are read anew: LANES neighbours in each row that this place of the window stands on.

    y[r, c + lane] += w[i, j] x[r + i - top, c + lane + j - left]             r: ROWS rows, all lanes, then the next i, j

So a number is read once for every product, from the cache that is as fast as multiplying, and is written once. What
lies to the left and to the right of an image is not loaded, and has a 0 in its lane; for a row above or below, the row
is `nothing`, as many zeros as a row has pixels.

With a stride of 2, every lane is computed as if the stride were 1, and then every second one is used: to sort lanes for
each product would take longer.
"""
from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.simd import LANES, vectorized
from minidl.kernels.cpu.windows import ROWS, added_up, write


def correlating(stride):
    """The kernel `correlate`: y by x and w."""
    columns = LANES // stride                            # of y, in a vector

    @jit
    def correlate(images, x, x0, x_step, H, W, nothing, w, w0, turn, KH, KW, step_y, step_x, start, f,
                  y, y0, y_step, OH, OW, top, left, more):
        """y[n, r, c] = start[f] + the sum of w[i, j] x[n, stride r + i step_y - top, stride c + j step_x - left].

        With `more`, y grows by the sum instead. All lie in flat arrays: an image of x (H, W) at x0 + n x_step, one of
        y (OH, OW) at y0 + n y_step, and w (KH, KW) from w0 on; backwards, if `turn` is -1 and not 1.
        """
        for n in range(images):
            for r in range(OH):
                for c in range(OW):
                    total = y[y0 + n * y_step + r * OW + c] if more else start[f]
                    for i in range(KH):
                        for j in range(KW):
                            iy, ix = stride * r + i * step_y - top, stride * c + j * step_x - left
                            if 0 <= iy < H and 0 <= ix < W:
                                total += w[w0 + turn * (i * KW + j)] * x[x0 + n * x_step + iy * W + ix]
                    y[y0 + n * y_step + r * OW + c] = total

    @vectorized(correlate, apart=True)
    def correlate(code, images, x, x0, x_step, H, W, nothing, w, w0, turn, KH, KW, step_y, step_x, start, f,
                  y, y0, y_step, OH, OW, top, left, more):
        nobody, begin = code.spare(1), code.variable(start.spread(f))
        with code.when(more):
            begin.set(code.zero())
        blocks, strips = (OH + ROWS - 1) // ROWS, (OW + columns - 1) // columns
        with code.loop(images) as n, code.loop(blocks) as block, code.loop(strips) as strip:
            row, column, image = block * ROWS, strip * columns, Image(code, x, x0 + n * x_step, H, W, nothing)
            totals = [code.variable(begin.get()) for _ in range(ROWS)]
            with code.loop(KH) as i:
                lines = [image.row((row + r) * stride + i * step_y - top) for r in range(ROWS)]
                with code.loop(KW) as j:
                    first = column * stride + j * step_x - left
                    weight, inside = w.spread(w0 + turn * (i * KW + j)), image.inside(first)
                    for total, line in zip(totals, lines):
                        total.set(weight * line.load_where(first, inside) + total.get())
            inside = code.between(0, OW - column) & code.between(0, columns)
            for r, total in enumerate(totals):
                to = y.after(y0 + n * y_step + (row + r) * OW + column)
                used = code.shuffled(total.get(), total.get(), [lane * stride for lane in range(LANES)])
                write(code, code.choice(code.within(0, row + r, OH), to, nobody), used, inside, more)

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
    nobody, first, begin = code.spare(2), top >> 1, left >> 1
    blocks = (((H - 1 + top) >> 1) - first + ROWS) // ROWS
    strips = (((W - 1 + left) >> 1) - begin + LANES) // LANES
    with code.loop(images) as n, code.loop(blocks) as block, code.loop(strips) as strip, code.loop(2) as d:
        row, column, image = first + block * ROWS, begin + strip * LANES, Image(code, y, y0 + n * y_step, OH, OW, nothing)
        totals = [[code.variable(code.zero()) for _ in range(2)] for _ in range(ROWS)]
        for e in range(2):
            with code.loop((KH + 1 - d) // 2) as i:
                lines = [image.row(row + r - i) for r in range(ROWS)]
                with code.loop((KW + 1 - e) // 2) as j:
                    weight, inside = w.spread(w0 + (i * 2 + d) * KW + j * 2 + e), image.inside(column - j)
                    for total, line in zip(totals, lines):
                        total[e].set(weight * line.load_where(column - j, inside) + total[e].get())
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
        blocks, strips = (OH + ROWS - 1) // ROWS, (OW + columns - 1) // columns
        with code.loop(images) as n, code.loop(blocks) as block, code.loop(strips) as strip:
            row, column, image = block * ROWS, strip * columns, Image(code, x, x0 + n * x_step, H, W, nothing)
            there = code.between(0, OW - column) & code.between(0, columns)
            rows = Image(code, y, y0 + n * y_step, OH, OW, nothing)
            numbers = [rows.row(row + r).load_where(column, there) for r in range(ROWS)]
            if stride == 2:
                numbers = [code.interleaved(line, code.zero())[0] for line in numbers]
            with code.loop(KH) as i:
                lines = [image.row((row + r) * stride + i * step_y - top) for r in range(ROWS)]
                with code.loop(KW) as j:
                    first, place = column * stride + j * step_x - left, (i * KW + j) * LANES
                    inside, total = image.inside(first), sums.load(place)
                    for line, number in zip(lines, numbers):
                        total = number * line.load_where(first, inside) + total
                    sums.store(place, total)
        with code.loop(KH * KW) as place:
            w.store_some(w0 + place, added_up(code, sums.load(place * LANES)), 1)

    return compare


compare_1, compare_2 = comparing(1), comparing(2)


class Image:
    """An image (H, W) with zeros around it."""

    def __init__(self, code, x, x0, H, W, nothing):
        self.code, self.x, self.x0, self.H, self.W, self.nothing = code, x, x0, H, W, nothing

    def row(self, iy):
        """The array that row iy begins at."""
        return self.code.choice(self.code.within(0, iy, self.H), self.x.after(self.x0 + iy * self.W), self.nothing)

    def inside(self, first):
        """Which of the LANES places of a row, from `first` on, are pixels."""
        return self.code.between(0 - first, self.W - first)
