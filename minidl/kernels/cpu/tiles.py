"""The register tile: the few lines in which a matrix product, a convolution and a linear layer spend their time.

What a BLAS does inside (Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication"; BLIS, Van Zee &
van de Geijn 2015). A core multiplies and adds two vectors of 16 numbers per cycle, but can only load two. A sum
that goes back to memory after each product would take three loads and stores for it. So ROWS x VECTORS sums stay
in registers, for as long as the products for them come in: for each step r of the depth,

                       b[r, 0:16]  b[r, 16:32]         2 vectors are loaded,
        a[r, 0]          sum  +=     sum  +=           8 single numbers are loaded and spread over a vector,
        a[r, 1]          sum  +=     sum  +=           and 16 sums, a register each, grow by a product:
        ...                                            10 loads for 16 products. One row alone would need
        a[r, 7]          sum  +=     sum  +=           3 loads for 2.

At least 8 sums must be on their way at a time, because each product takes four cycles and two start in every one; and
the sums, the vectors of b and a number of a have to fit into the registers, 32 on some processors and 16 on others.
"""
from minidl.kernels.cpu.jit import jit
from minidl.kernels.cpu.simd import LANES, REGISTERS, vectorized

# Sums in registers: rows of single numbers, by vectors.
ROWS, VECTORS = (8, 2) if REGISTERS == 32 else (6, 2)
WIDTH = VECTORS * LANES


@jit
def width_of(c):
    """Columns of a tile whose sums are numbers like those of c: WIDTH, or half of it for float64."""
    return WIDTH * 4 // c.itemsize


def tile(rows, vectors, streamed=False, unrolled=1):
    """The kernel `multiply` for tiles of `rows` times `vectors` vectors; vectors of float64 take two registers, and
    there are half as many. `streamed`: the sums go past the caches, to places that are multiples of vectors.
    `unrolled`: so many steps are written out, for an a whose rows lie side by side: then all its places are constants
    away from one, and nothing is left to do but to load and to multiply."""

    @jit
    def multiply(a, a0, a_step, a_row, b, b0, b_step, c, c0, c_row, depth, more, following):
        """c[k, t] = the sum over r < depth of a[r, k] b[r, t], for k < rows and t < width; with `more`, c grows by it.

        All three lie in flat arrays: a[r, k] at a0 + r a_step + k a_row, b[r, t] at b0 + r b_step + t, and
        c[k, t] at c0 + k c_row + t. The a of the next call begins at `following`: memory is asked for one of its
        rows after the other, and answers in the meantime.
        """
        for k in range(rows):
            for t in range(max(1, vectors * 4 // c.itemsize) * LANES):
                total = c[c0 + k * c_row + t] if more else c.dtype.type(0)
                for r in range(depth):
                    total += a[a0 + r * a_step + k * a_row] * b[b0 + r * b_step + t]
                c[c0 + k * c_row + t] = total

    @vectorized(multiply)
    def multiply(code, a, a0, a_step, a_row, b, b0, b_step, c, c0, c_row, depth, more, following):
        sums = Sums(code, rows, max(1, vectors * 4 // c.itemsize), c, [c0 + k * c_row for k in range(rows)])
        if not streamed:
            sums.prefetch()
        with code.when(more):
            sums.load()

        def add_step(r):
            if unrolled == 1:
                a.prefetch(following + r * a_step + r % rows * a_row)
            numbers = (a.spread(a0 + r * a_step + k * a_row) for k in range(rows))
            sums.add_products(numbers, b, b0 + r * b_step)

        whole = depth // unrolled
        with code.loop(whole) as i:
            for n in range(unrolled):
                add_step(i * unrolled + n)
        with code.loop(depth - whole * unrolled) as rest:
            add_step(whole * unrolled + rest)
        sums.stream() if streamed else sums.store()

    return multiply


def gathering_tile(rows, vectors, by_lanes=False):
    """The kernel `gather` for tiles of `rows` times `vectors` vectors: the factor a is nowhere laid out as a matrix.

    Its numbers are picked from an array through two tables, one for rows and one for steps: when b holds filters, these
    may be the places of pixels in an image, and the ways from a pixel to its neighbours. With `by_lanes`, each lane has
    a number of its own there, as images that do not mix have: what is picked is a vector.
    """
    width = vectors * LANES
    lane = 1 if by_lanes else 0

    @jit
    def gather(a, places, goals, k0, ways, r0, b, b0, b_step, c, start, start_row, c0, c_row, depth):
        """c[k, t] = start[k, t] + the sum over r < depth of a[k, r] b[r, t], for k < rows and t < width.

        All lie in flat arrays: a[k, r] at places[k0 + k] + ways[r0 + r] (by lanes, a[k, r, t] is t further on),
        b[r, t] at b0 + r b_step + t, c[k, t] at c0 + goals[k0 + k] c_row + t, and start[k, t], in c as well, at
        start + goals[k0 + k] start_row + t.
        """
        for k in range(rows):
            for t in range(width):
                total = c[start + goals[k0 + k] * start_row + t]
                for r in range(depth):
                    total += a[places[k0 + k] + ways[r0 + r] + t * lane] * b[b0 + r * b_step + t]
                c[c0 + goals[k0 + k] * c_row + t] = total

    @vectorized(gather)
    def gather(code, a, places, goals, k0, ways, r0, b, b0, b_step, c, start, start_row, c0, c_row, depth):
        goals = [goals.integer(k0 + k) for k in range(rows)]
        sums = Sums(code, rows, vectors, c, [start + goal * start_row for goal in goals])
        sums.load()
        from_place = [a.after(places.integer(k0 + k)) for k in range(rows)]
        with code.loop(depth) as r:
            way = ways.integer(r0 + r)
            factors = [numbers.load(way) if by_lanes else numbers.spread(way) for numbers in from_place]
            sums.add_products(factors, b, b0 + r * b_step)
        sums.store([c0 + goal * c_row for goal in goals])

    return gather


class Sums:
    """The tile itself: sums[k][v] is the vector v of row k, with its place in c."""

    def __init__(self, code, rows, vectors, c, places):
        self.c, self.places = c, places
        self.sums = [[code.variable(code.zero()) for _ in range(vectors)] for _ in range(rows)]

    def each(self, places, do):
        for row, place in zip(self.sums, places):
            for v, sum in enumerate(row):
                do(sum, place + v * LANES)

    def prefetch(self):
        self.each(self.places, lambda sum, place: self.c.prefetch(place, to_write=True))

    def load(self):
        self.each(self.places, lambda sum, place: sum.set(self.c.load(place)))

    def add_products(self, numbers, b, b_place):
        """To the sums of each row, add its number times the vectors of b."""
        vectors = [b.load(b_place + v * LANES) for v in range(len(self.sums[0]))]
        for row, number in zip(self.sums, numbers):
            for sum, vector in zip(row, vectors):
                sum.set(number * vector + sum.get())

    def stream(self):
        self.each(self.places, lambda sum, place: self.c.stream(place, sum.get()))

    def store(self, places=None):
        self.each(places or self.places, lambda sum, place: self.c.store(place, sum.get()))


def sliding_tile(rows, vectors):
    """The kernel `slide` for tiles of `rows` times `vectors` vectors: those of b lie where a table says."""
    width = vectors * LANES

    @jit
    def slide(a, a0, a_row, b, b0, ways, depth, start, s0, c, c0, c_row):
        """c[k, t] = start[s0 + k] + the sum over r < depth of a[k, r] b[r, t], for k < rows and t < width.

        All lie in flat arrays: a[k, r] at a0 + k a_row + r, b[r, t] at b0 + ways[r] + t, and c[k, t] at
        c0 + k c_row + t.
        """
        for k in range(rows):
            for t in range(width):
                total = start[s0 + k]
                for r in range(depth):
                    total += a[a0 + k * a_row + r] * b[b0 + ways[r] + t]
                c[c0 + k * c_row + t] = total

    @vectorized(slide)
    def slide(code, a, a0, a_row, b, b0, ways, depth, start, s0, c, c0, c_row):
        sums = Sums(code, rows, vectors, c, [c0 + k * c_row for k in range(rows)])
        for k, row in enumerate(sums.sums):
            for sum in row:
                sum.set(start.spread(s0 + k))
        from_row = [a.after(a0 + k * a_row) for k in range(rows)]
        with code.loop(depth) as r:
            sums.add_products([numbers.spread(r) for numbers in from_row], b, b0 + ways.integer(r))
        sums.store()

    return slide


def pairing_tile(rows, columns):
    """The kernel `pair` for tiles of `rows` times `columns` sums along the lanes: vectors are multiplied by vectors."""

    @jit
    def pair(a, a0, a_row, b, ways, r0, count, c, c0, c_row):
        """c[k, r] += the sum over t < count LANES of a[k, t] b[r, t], for k < rows and r < columns.

        All lie in flat arrays: a[k, t] at a0 + k a_row + t, b[r, t] at ways[r0 + r] + t, and c[k, r] at
        c0 + k c_row + r.
        """
        for k in range(rows):
            for r in range(columns):
                total = c.dtype.type(0)
                for t in range(count * LANES):
                    total += a[a0 + k * a_row + t] * b[ways[r0 + r] + t]
                c[c0 + k * c_row + r] += total

    @vectorized(pair)
    def pair(code, a, a0, a_row, b, ways, r0, count, c, c0, c_row):
        sums = [[code.variable(code.zero()) for _ in range(columns)] for _ in range(rows)]
        from_row = [a.after(a0 + k * a_row) for k in range(rows)]
        from_way = [b.after(ways.integer(r0 + r)) for r in range(columns)]
        with code.loop(count) as v:
            vectors = [numbers.load(v * LANES) for numbers in from_way]
            for numbers, row in zip(from_row, sums):
                factor = numbers.load(v * LANES)
                for sum, vector in zip(row, vectors):
                    sum.set(factor * vector + sum.get())
        for k, row in enumerate(sums):
            for r, sum in enumerate(row):
                place = c0 + k * c_row + r
                c.store_some(place, c.load_some(place, 1) + total(code, sum.get()), 1)

    return pair


def matching_tile(rows, columns):
    """The kernel `match` for tiles of `rows` times `columns` sums in each lane: lanes are images, which do not mix."""

    @jit
    def match(a, a0, a_row, a_line, b, ways, r0, b_line, lines, count, c, c0, c_row):
        """c[k, r] += the sum over lines and t < count of a[k, line, t] b[r, line, t], vectors, for k < rows, r < columns.

        All lie in flat arrays: a[k, line, t] at a0 + k a_row + line a_line + t LANES, b[r, line, t] at
        ways[r0 + r] + line b_line + t LANES, and c[k, r] at c0 + k c_row + r LANES.
        """
        for k in range(rows):
            for r in range(columns):
                for lane in range(LANES):
                    total = c[c0 + k * c_row + r * LANES + lane]
                    for line in range(lines):
                        for t in range(count):
                            total += (a[a0 + k * a_row + line * a_line + t * LANES + lane]
                                      * b[ways[r0 + r] + line * b_line + t * LANES + lane])
                    c[c0 + k * c_row + r * LANES + lane] = total

    @vectorized(match)
    def match(code, a, a0, a_row, a_line, b, ways, r0, b_line, lines, count, c, c0, c_row):
        sums = Sums(code, rows, columns, c, [c0 + k * c_row for k in range(rows)])
        sums.load()
        from_row = [a.after(a0 + k * a_row) for k in range(rows)]
        from_way = [b.after(ways.integer(r0 + r)) for r in range(columns)]
        with code.loop(lines) as line, code.loop(count) as t:
            vectors = [numbers.load(line * b_line + t * LANES) for numbers in from_way]
            for numbers, row in zip(from_row, sums.sums):
                factor = numbers.load(line * a_line + t * LANES)
                for sum, vector in zip(row, vectors):
                    sum.set(factor * vector + sum.get())
        sums.store()

    return match


def total(code, vector):
    """The sum of a vector's numbers, in every lane: a vector is added to itself, rotated by half, a quarter, ..."""
    step = LANES // 2
    while step:
        vector += code.shuffled(vector, vector, [(lane + step) % LANES for lane in range(LANES)])
        step //= 2
    return vector
