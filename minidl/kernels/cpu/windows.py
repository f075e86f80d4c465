"""A window of 3 x 3 that moves over one image: as many of its places as fit into vectors, side by side.

Lanes are neighbouring pixels of a row. A row of x is loaded once for a block of rows of y, moved by a lane for each
column of the window, and takes part in all the sums that it belongs to before the next row comes: one row makes 9
products, 3 for each of the 3 rows of y that are around it. With a stride of 2, a row is two vectors, and their even and
odd lanes are sorted.

Nothing is padded or moved in memory. What lies to the left and to the right of an image is not loaded, and has a 0 in
its lane; for a row above or below, zeros are read from elsewhere. Rows and columns that were computed although y does
not have them are stored elsewhere, or not at all.

Each number takes part in so few products that the time goes by waiting for memory. A processor looks ahead for what is
read one vector after the other, but not for loads and stores with a mask: so they ask for what comes AHEAD of them.

A kernel is made for one size and one stride, because registers have no numbers to loop over; large_windows.py has those
for any size.
"""
from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.simd import LANES, vectorized

SIZE = 3                     # rows and columns of the window
ROWS = 7                     # in a block. Images of 224 pixels shrink to 112, 56, 28, 14 and 7
AHEAD = 1024                 # numbers from what is used to what is asked for: a few rows, or images


def correlating(stride):
    """The kernel `correlate`: y by x and w."""
    columns = fitting(SIZE, stride)

    @jit
    def correlate(images, x, x0, x_step, H, W, w, w0, start, f, y, y0, y_step, OH, OW, top, left):
        """y[n, r, c] = start[f] + the sum of w[i, j] x[n, stride r + i - top, stride c + j - left] over i and j.

        All lie in flat arrays: an image of x (H, W) at x0 + n x_step, one of y (OH, OW) at y0 + n y_step, and w at w0.
        """
        for n in range(images):
            for r in range(OH):
                for c in range(OW):
                    total = start[f]
                    for i in range(SIZE):
                        for j in range(SIZE):
                            iy, ix = stride * r + i - top, stride * c + j - left
                            if 0 <= iy < H and 0 <= ix < W:
                                total += w[w0 + i * SIZE + j] * x[x0 + n * x_step + iy * W + ix]
                    y[y0 + n * y_step + r * OW + c] = total

    @vectorized(correlate, apart=True)
    def correlate(code, images, x, x0, x_step, H, W, w, w0, start, f, y, y0, y_step, OH, OW, top, left):
        weights, nobody, begin = weights_of(w, w0), code.spare(1), start.spread(f)
        blocks, strips = (OH + ROWS - 1) // ROWS, (OW + columns - 1) // columns
        with code.loop(images) as n, code.loop(blocks) as block, code.loop(strips) as strip:
            row, column, totals = block * ROWS, strip * columns, [begin] * ROWS
            inside = code.between(0, OW - column) & code.between(0, columns)
            pixels = Pixels(code, x, x0 + n * x_step, H, W, column * stride - left, SIZE, stride)
            for k in range((ROWS - 1) * stride + SIZE):
                vectors = pixels.row(row * stride + k - top)
                for r in range(ROWS):
                    if 0 <= k - r * stride < SIZE:
                        for weight, vector in zip(weights[k - r * stride], vectors):
                            totals[r] = weight * vector + totals[r]
                    if k - r * stride == SIZE - 1:
                        to = y.after(y0 + n * y_step + (row + r) * OW + column)
                        to.prefetch(AHEAD, to_write=True)
                        code.choice(code.within(0, row + r, OH), to, nobody).store_where(0, totals[r], inside)

    return correlate


def spreading(stride):
    """The kernel `spread`: x by y and w, the transpose of `correlate`."""
    reach = (SIZE - 1) // stride                         # rows of y before the one beside x that contribute, too
    columns, rows = fitting(reach + 1, 1), ROWS + stride - 1         # as padding often leaves one more row of y

    @jit
    def spread(images, y, y0, y_step, OH, OW, w, w0, x, x0, x_step, H, W, top, left, more):
        """x[n, stride r + i - top, stride c + j - left] = the sum of w[i, j] y[n, r, c]; with `more`, x grows by it."""
        for n in range(images):
            for iy in range(H):
                for ix in range(W):
                    total = x[x0 + n * x_step + iy * W + ix] if more else x.dtype.type(0)
                    for i in range((iy + top) % stride, SIZE, stride):
                        for j in range((ix + left) % stride, SIZE, stride):
                            r, c = (iy + top - i) // stride, (ix + left - j) // stride
                            if 0 <= r < OH and 0 <= c < OW:
                                total += w[w0 + i * SIZE + j] * y[y0 + n * y_step + r * OW + c]
                    x[x0 + n * x_step + iy * W + ix] = total

    @vectorized(spread, apart=True)
    def spread(code, images, y, y0, y_step, OH, OW, w, w0, x, x0, x_step, H, W, top, left, more):
        weights, nobody = weights_of(w, w0), code.spare(stride)
        half = stride - 1                                # n >> half is n // stride, also for negative n
        first, begin = top >> half, left >> half
        blocks = (((H - 1 + top) >> half) - first + rows) // rows
        strips = (((W - 1 + left) >> half) - begin + columns) // columns
        with code.loop(images) as n, code.loop(blocks) as block, code.loop(strips) as strip:
            row, column = first + block * rows, begin + strip * columns
            ix = column * stride - left
            inside = [code.between(0 - ix - v * LANES, W - ix - v * LANES) & code.between(0, columns * stride - v * LANES)
                      for v in range(stride)]
            pixels = Pixels(code, y, y0 + n * y_step, OH, OW, column - reach, reach + 1, 1)
            lines = [pixels.row(row - back) for back in range(reach, 0, -1)]
            for r in range(rows):
                lines.append(pixels.row(row + r))
                for d in range(stride):
                    totals = [code.zero()] * stride
                    for i in range(d, SIZE, stride):
                        for j in range(SIZE):
                            vector = lines[r + reach - i // stride][reach - j // stride]
                            totals[j % stride] = weights[i][j] * vector + totals[j % stride]
                    iy = (row + r) * stride + d - top
                    to = x.after(x0 + n * x_step + iy * W + ix)
                    for v in range(stride):
                        to.prefetch(AHEAD + v * LANES, to_write=True)
                    to = code.choice(code.within(0, iy, H), to, nobody)
                    for v, total in enumerate(totals if stride == 1 else code.interleaved(*totals)):
                        write(code, to.after(v * LANES), total, inside[v], more)

    return spread


def comparing(stride):
    """The kernel `compare`: w by x and y."""
    columns = fitting(SIZE, stride)

    @jit
    def compare(images, y, y0, y_step, OH, OW, x, x0, x_step, H, W, w, w0, top, left):
        """w[i, j] = the sum of x[n, stride r + i - top, stride c + j - left] y[n, r, c] over n, r and c."""
        for i in range(SIZE):
            for j in range(SIZE):
                total = w.dtype.type(0)
                for n in range(images):
                    for r in range(OH):
                        for c in range(OW):
                            iy, ix = stride * r + i - top, stride * c + j - left
                            if 0 <= iy < H and 0 <= ix < W:
                                total += x[x0 + n * x_step + iy * W + ix] * y[y0 + n * y_step + r * OW + c]
                w[w0 + i * SIZE + j] = total

    @vectorized(compare, apart=True)
    def compare(code, images, y, y0, y_step, OH, OW, x, x0, x_step, H, W, w, w0, top, left):
        totals = [[code.variable(code.zero()) for _ in range(SIZE)] for _ in range(SIZE)]
        nothing, blocks, strips = code.zeros(1), (OH + ROWS - 1) // ROWS, (OW + columns - 1) // columns
        with code.loop(images) as n, code.loop(blocks) as block, code.loop(strips) as strip:
            row, column, lines = block * ROWS, strip * columns, []
            inside = code.between(0, OW - column) & code.between(0, columns)
            pixels = Pixels(code, x, x0 + n * x_step, H, W, column * stride - left, SIZE, stride)
            for k in range((ROWS - 1) * stride + SIZE):
                r = row + k // stride
                if k % stride == 0 and k // stride < ROWS:
                    line = y.after(y0 + n * y_step + r * OW + column)
                    line.prefetch(AHEAD)
                    line = code.choice(code.within(0, r, OH), line, nothing)
                    lines.append(line.load_where(0, inside))
                vectors = pixels.row(row * stride + k - top)
                for r, line in enumerate(lines):
                    if 0 <= k - r * stride < SIZE:
                        for total, vector in zip(totals[k - r * stride], vectors):
                            total.set(vector * line + total.get())
        for i in range(SIZE):
            for j in range(SIZE):
                w.store_some(w0 + i * SIZE + j, added_up(code, totals[i][j].get()), 1)

    return compare


# ---- what the three have in common


def weights_of(w, w0):
    return [[w.spread(w0 + i * SIZE + j) for j in range(SIZE)] for i in range(SIZE)]


def write(code, to, total, lanes, more):
    """Store these lanes of a total, or with `more` what is there and the total."""
    result = code.variable(total)
    with code.when(more):
        result.set(total + to.load_where(0, lanes))
    to.store_where(0, result.get(), lanes)


def added_up(code, vector):
    """The sum of all lanes, in each of them."""
    distance = LANES // 2
    while distance:
        vector += code.shuffled(vector, vector, [(lane + distance) % LANES for lane in range(LANES)])
        distance //= 2
    return vector


class Pixels:
    """Of rows of an image (H, W), a vector for each column j of a window: the pixels first + j, `stride` apart."""

    def __init__(self, code, x, x0, H, W, first, size, stride):
        self.code, self.x, self.x0, self.H, self.W, self.first = code, x, x0, H, W, first
        self.inside = [code.between(0 - first - v * LANES, W - first - v * LANES) for v in range(loads(stride))]
        self.nothing = code.zeros(len(self.inside))
        self.lanes = [[min(j + lane * stride, 2 * LANES - 1) for lane in range(LANES)] for j in range(size)]

    def row(self, iy):
        """The vectors of row iy."""
        row = self.x.after(self.x0 + iy * self.W + self.first)
        for v in range(len(self.inside)):
            row.prefetch(AHEAD + v * LANES)
        row = self.code.choice(self.code.within(0, iy, self.H), row, self.nothing)
        loaded = [row.load_where(v * LANES, lanes) for v, lanes in enumerate(self.inside)]
        return [self.code.shuffled(loaded[0], loaded[-1], lanes) for lanes in self.lanes]


def loads(stride):
    """How many vectors of a row are loaded: so many that not many lanes are left over."""
    return stride if LANES > 8 else 2


def fitting(size, stride):
    """How many places for a window are in what is loaded."""
    return min(LANES, (loads(stride) * LANES - size) // stride + 1)
