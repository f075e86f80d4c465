"""The instructions that a kernel is written with (simd.py), in LLVM's language: on vectors, conditions, places in arrays.

Python's operators write them down: a + b is not a sum, it is the instruction that adds, and its result.
"""
import numpy as np

from minidl.kernels.cpu.simd import LANES


class Code:
    """Writes LLVM instructions on vectors of LANES numbers."""

    def __init__(self, builder, element):
        from llvmlite import ir
        self.builder, self.ir, self.element = builder, ir, element
        self.vector, self.bits = ir.VectorType(element, LANES), ir.VectorType(ir.IntType(1), LANES)

    def array(self, pointer, element):
        return Array(self, pointer, element)

    def integer(self, value):
        if isinstance(value, int):
            value = self.constant_int(64, value)
        return Integer(self, value)

    def zero(self):
        return Vector(self, self.ir.Constant(self.vector, None))

    def constant(self, number):
        return Vector(self, self.ir.Constant(self.vector, [float(number)] * LANES))

    def variable(self, value):
        """A value that may change; LLVM keeps it in a register."""
        return Variable(self, value)

    def loop(self, count):
        """`with code.loop(count) as i:` repeats what the block writes."""
        return Loop(self, count)

    def when(self, condition):
        """`with code.when(condition):` does what the block writes only where the integer `condition` is not 0."""
        return self.builder.if_then(self.builder.icmp_signed("!=", condition.value, self.constant_int(64, 0)))

    def root(self, x):
        """The square root, for which every processor has an instruction."""
        return self.function("sqrt", x)

    def abs(self, x):
        return self.function("fabs", x)

    def with_sign(self, x, other):
        """The size of x with the sign of `other`, which may be that of -0."""
        return self.function("copysign", x, other)

    def function(self, name, *xs):
        """LLVM's own function of this name, of vectors and to one."""
        from numba.core.cgutils import get_or_insert_function
        kind, names = self.ir.FunctionType(xs[0].value.type, [x.value.type for x in xs]), {4: "f32", 8: "f64"}
        function = get_or_insert_function(self.builder.module, kind, f"llvm.{name}.v{LANES}{names[xs[0].itemsize]}")
        return Vector(self, self.builder.call(function, [x.value for x in xs]))

    def first(self, count):
        """A Condition: is a lane among the first `count`?"""
        count = (count if isinstance(count, Integer) else self.integer(count)).value
        all = self.constant_int(64, LANES)
        count = self.builder.select(self.builder.icmp_signed("<", count, all), count, all)
        counts = self.all_lanes(self.builder.trunc(count, self.ir.IntType(32)))
        return Condition(self, self.builder.icmp_signed("<", self.lanes(range(LANES)), counts))

    def between(self, low, high):
        """A Condition: is low <= lane < high?"""
        return self.first(high) & ~self.first(low)

    def within(self, low, n, high):
        """Is low <= n < high?"""
        return Condition(self, self.builder.icmp_unsigned("<", (n - low).value, (high - low).value))

    def choice(self, condition, a, b):
        """The array a if the condition holds, else b."""
        return Array(self, self.builder.select(condition.value, a.pointer, b.pointer), a.element)

    def zeros(self, vectors):
        """An array of `vectors` vectors of zeros, to be read only."""
        from numba.core.cgutils import global_constant
        zeros = self.ir.Constant(self.ir.ArrayType(self.vector, vectors), None)
        memory = global_constant(self.builder, "zeros", zeros)
        return Array(self, self.builder.bitcast(memory, self.element.as_pointer()), self.element)

    def spare(self, vectors):
        """An array of `vectors` vectors for what nobody will read."""
        from numba.core.cgutils import alloca_once
        memory = alloca_once(self.builder, self.ir.ArrayType(self.vector, vectors))
        return Array(self, self.builder.bitcast(memory, self.element.as_pointer()), self.element)

    def places(self, start, step):
        """The whole numbers start, start + step, start + 2 step, ... of 32 bits."""
        start, step = (self.all_lanes(self.builder.trunc(self.integer(0).plus(n).value, self.ir.IntType(32)))
                       for n in (start, step))
        return Vector(self, self.builder.add(start, self.builder.mul(step, self.lanes(range(LANES)))))

    def all_lanes(self, number):
        first = self.ir.Constant(self.ir.VectorType(number.type, LANES), None)
        first = self.builder.insert_element(first, number, self.constant_int(32, 0))
        return self.builder.shuffle_vector(first, first, self.lanes([0] * LANES))

    def where(self, condition, a, b):
        """In each lane the number of a where the condition holds, of b elsewhere."""
        return Vector(self, self.builder.select(condition.value, a.value, b.value))

    def over_lanes(self, operation, x):
        """operation(..., x3, operation(x2, operation(x1, x0))), in any order, in all lanes."""
        step = LANES // 2
        while step:
            x, step = operation(x, self.shuffled(x, x, [(lane + step) % LANES for lane in range(LANES)])), step // 2
        return x

    def interleaved(self, a, b):
        """The numbers a0 b0 a1 b1 ... as two vectors."""
        order = [n for pair in zip(range(LANES), range(LANES, 2 * LANES)) for n in pair]
        return self.shuffled(a, b, order[:LANES]), self.shuffled(a, b, order[LANES:])

    def call(self, name, returns, element, *args):
        """Call LLVM's own function of this name for vectors of these elements."""
        from numba.core.cgutils import get_or_insert_function
        kind = self.ir.FunctionType(returns, [arg.type for arg in args])
        names = {"float": "f32", "double": "f64", "i8": "i8", "i32": "i32", "i64": "i64"}
        function = get_or_insert_function(self.builder.module, kind, f"llvm.{name}.v{LANES}{names[str(element)]}.p0")
        return self.builder.call(function, args)

    def constant_int(self, bits, number):
        return self.ir.Constant(self.ir.IntType(bits), number)

    def lanes(self, numbers):
        return self.ir.Constant(self.ir.VectorType(self.ir.IntType(32), len(numbers)), list(numbers))

    def shuffled(self, a, b, lanes):
        """The vector of those numbers of a and, from LANES on, of b."""
        return Vector(self, self.builder.shuffle_vector(a.value, b.value, self.lanes(lanes)))


class Loop:
    def __init__(self, code, count):
        from numba.core.cgutils import for_range
        self.code, self.block = code, for_range(code.builder, code.integer(0).plus(count).value)

    def __enter__(self):
        return self.code.integer(self.block.__enter__().index)

    def __exit__(self, *error):
        return self.block.__exit__(*error)


class Value:
    """A result of instructions, which nobody knows before they run."""

    def __init__(self, code, value):
        self.code, self.value = code, value

    def __bool__(self):
        raise TypeError("what will be computed cannot decide what is compiled")


class Integer(Value):
    """A number of the program that calls: a place, a step, a count."""

    def plus(self, other): return self._with("add", other)
    def times(self, other): return self._with("mul", other)
    __add__ = __radd__ = plus
    __mul__ = __rmul__ = times

    def __sub__(self, other): return self._with("sub", other)
    def __rsub__(self, other): return self.code.integer(other) - self
    def __floordiv__(self, other): return self._with("sdiv", other)          # of a number that is not negative
    def __mod__(self, other): return self._with("urem", other)
    def __rshift__(self, other): return self._with("ashr", other)

    def equals(self, number):
        """1 or 0"""
        same = self.code.builder.icmp_signed("==", self.value, self.code.constant_int(64, number))
        return Integer(self.code, self.code.builder.zext(same, self.value.type))

    def _with(self, instruction, other):
        other = other if isinstance(other, Integer) else self.code.integer(other)
        return Integer(self.code, getattr(self.code.builder, instruction)(self.value, other.value))


class Vector(Value):
    """LANES numbers. A product that is added to something is rounded once, with it, where the processor can."""
    __array_ufunc__ = None               # NumPy's functions do not take it for an array

    @property
    def itemsize(self):
        return size_of(self.value.type.element)

    @property
    def dtype(self):
        return np.dtype(np.float64 if self.itemsize == 8 else np.float32)

    def is_floating(self):
        return not hasattr(self.value.type.element, "width")

    def __neg__(self): return Vector(self.code, self.code.builder.fneg(self.value))
    def __add__(self, other): return self._with("fadd", other)
    def __sub__(self, other): return self._with("fsub", other)
    def __mul__(self, other): return self._with("fmul", other)
    def __truediv__(self, other): return self._with("fdiv", other)
    __radd__, __rmul__ = __add__, __mul__
    def __rsub__(self, other): return self.code.constant(other) - self
    def __rtruediv__(self, other): return self.code.constant(other) / self

    def __pow__(self, exponent):
        """Products, and a root for a half; other powers are no vector's business."""
        if not isinstance(exponent, (int, float)) or 2 * exponent != int(2 * exponent) or abs(exponent) > 64:
            return NotImplemented
        whole, power = int(abs(exponent)), self.code.constant(1)
        if abs(exponent) != whole:
            power = self.code.root(self)
        square = self
        while whole:
            power, square, whole = power * square if whole % 2 else power, square * square, whole // 2
        return 1 / power if exponent < 0 else power

    def _with(self, instruction, other):
        if not isinstance(other, (Vector, int, float)):
            return NotImplemented
        flags = ("contract", "nsz")
        return Vector(self.code, getattr(self.code.builder, instruction)(self.value, self._vector(other), flags=flags))

    def __gt__(self, other): return self._compared("fcmp_ordered", ">", other)
    def __ge__(self, other): return self._compared("fcmp_ordered", ">=", other)
    def __lt__(self, other): return self._compared("fcmp_ordered", "<", other)
    def __le__(self, other): return self._compared("fcmp_ordered", "<=", other)
    def __eq__(self, other): return self._compared("fcmp_ordered", "==", other)
    def __ne__(self, other): return self._compared("fcmp_unordered", "!=", other)
    __hash__ = Value.__hash__

    def is_nan(self): return self._compared("fcmp_unordered", "uno", self)

    def _compared(self, instruction, how, other):
        return Condition(self.code, getattr(self.code.builder, instruction)(how, self.value, self._vector(other)))

    def _vector(self, number):
        return (number if isinstance(number, Vector) else self.code.constant(number)).value

    def bits(self): return Bits.of(self)


class Bits(Value):
    """The bits of LANES numbers, as whole numbers of as many bits."""

    @classmethod
    def of(cls, vector):
        kind = vector.code.ir.VectorType(vector.code.ir.IntType(8 * vector.itemsize), LANES)
        return cls(vector.code, vector.code.builder.bitcast(vector.value, kind))

    def number(self):
        """The numbers that have these bits."""
        return Vector(self.code, self.code.builder.bitcast(self.value, self.code.vector))

    def converted(self):
        """These whole numbers as LANES numbers."""
        return Vector(self.code, self.code.builder.sitofp(self.value, self.code.vector))

    def __add__(self, other): return self._with("add", other)
    def __sub__(self, other): return self._with("sub", other)
    def __lshift__(self, other): return self._with("shl", other)
    def __rshift__(self, other): return self._with("ashr", other)

    def _with(self, instruction, other):
        other = other.value if isinstance(other, Bits) else self.code.ir.Constant(self.value.type, [other] * LANES)
        return Bits(self.code, getattr(self.code.builder, instruction)(self.value, other))


class Condition(Value):
    """Whether something holds, in each lane."""
    dtype = np.dtype(bool)

    def bytes(self):
        """1 or 0 in each lane, as an array of bool has them."""
        kind = self.code.ir.VectorType(self.code.ir.IntType(8), LANES)
        return Vector(self.code, self.code.builder.zext(self.value, kind))

    def __and__(self, other): return Condition(self.code, self.code.builder.and_(self.value, other.value))
    def __or__(self, other): return Condition(self.code, self.code.builder.or_(self.value, other.value))
    def __invert__(self): return Condition(self.code, self.code.builder.not_(self.value))


class Variable:
    def __init__(self, code, value):
        from numba.core.cgutils import alloca_once
        self.code, self.kind = code, type(value)
        self.place = alloca_once(code.builder, value.value.type)
        self.set(value)

    def set(self, value):
        self.code.builder.store(value.value, self.place)

    def get(self):
        return self.kind(self.code, self.code.builder.load(self.place))


def size_of(element):
    """Bytes of a number of this type."""
    return {"float": 4, "double": 8}.get(str(element)) or element.width // 8


class Array:
    """Where an array's numbers are in memory."""

    def __init__(self, code, pointer, element):
        self.code, self.pointer, self.element = code, pointer, element
        self.vector = code.ir.VectorType(element, LANES)
        self.itemsize = size_of(element)

    def after(self, i):
        """The array that begins at place i."""
        return Array(self.code, self.code.builder.gep(self.pointer, [self._place(i)]), self.element)

    def load(self, i):
        """The LANES numbers from place i on."""
        return Vector(self.code, self._read(self._at(i, self.vector)))

    def store(self, i, vector):
        self.code.builder.store(vector.value, self._at(i, self.vector), align=self.itemsize)

    def stream(self, i, vector):
        """Store LANES numbers past the caches, at a place that is a multiple of a vector's size in memory."""
        store = self.code.builder.store(vector.value, self._at(i, self.vector), align=LANES * self.itemsize)
        hint = self.code.builder.module.add_metadata([self.code.constant_int(32, 1)])
        store.set_metadata("nontemporal", hint)

    def spread(self, i):
        """A vector with the number at place i in all its lanes."""
        one = self._read(self._at(i, self.element))
        return Vector(self.code, self.code.all_lanes(one))

    def prefetch(self, i, to_write=False):
        """Ask for the cache line that place i is in, without waiting for it. Any place will do, also outside the array."""
        ir, constant = self.code.ir, self.code.constant_int
        from numba.core.cgutils import get_or_insert_function
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), *[ir.IntType(32)] * 3])
        function = get_or_insert_function(self.code.builder.module, kind, "llvm.prefetch.p0")
        self.code.builder.call(function, [self._at(i, ir.IntType(8)), *[constant(32, n) for n in (int(to_write), 3, 1)]])

    def integer(self, i):
        """The whole number at place i of an array of int64."""
        return Integer(self.code, self.code.builder.load(self.code.builder.gep(self.pointer, [self._place(i)])))

    def load_some(self, i, count):
        """The `count` numbers from place i on, and 0 in the other lanes; nothing behind them is read."""
        at, bytes = self._at(i, self.vector), self.code.constant_int(32, self.itemsize)
        return Vector(self.code, self.code.call("masked.load", self.vector, self.element, at, bytes,
                                                self.code.first(count).value, self.code.ir.Constant(self.vector, None)))

    def load_every(self, step, i, count):
        """`count` numbers, each `step`, 1 or 2, after the one before, and 0 in the other lanes."""
        if step == 1:
            return self.load_some(i, count)
        read = count * 2 - 1                             # nothing behind the last one that is wanted
        low, high = self.load_some(i, read), self.load_some(i + LANES, read - LANES)
        return self.code.shuffled(low, high, range(0, 2 * LANES, 2))

    def store_some(self, i, vector, count):
        """Store the first `count` lanes only."""
        at, bytes = self._at(i, self.vector), self.code.constant_int(32, self.itemsize)
        nothing = self.code.ir.VoidType()
        self.code.call("masked.store", nothing, self.element, vector.value, at, bytes, self.code.first(count).value)

    def add_every(self, step, i, vector, count):
        """Add the first `count` lanes to numbers each `step`, 1 or 2, after the one before."""
        places = [(vector, 0)]
        if step == 2:
            low, high = self.code.interleaved(vector, self.code.zero())
            places, count = [(low, 0), (high, LANES)], count * 2 - 1
        for lanes, at in places:
            self.store_some(i + at, self.load_some(i + at, count - at) + lanes, count - at)

    def load_where(self, i, condition):
        """The numbers from place i on in the lanes where the condition holds, and 0 elsewhere; no others are read."""
        at, bytes = self._at(i, self.vector), self.code.constant_int(32, self.itemsize)
        return Vector(self.code, self.code.call("masked.load", self.vector, self.element, at, bytes,
                                                condition.value, self.code.ir.Constant(self.vector, None)))

    def store_where(self, i, vector, condition):
        """Store the lanes where the condition holds only."""
        at, bytes = self._at(i, self.vector), self.code.constant_int(32, self.itemsize)
        nothing = self.code.ir.VoidType()
        self.code.call("masked.store", nothing, self.element, vector.value, at, bytes, condition.value)

    def _place(self, i):
        return i.value if isinstance(i, Integer) else self.code.integer(i).value

    def _at(self, i, kind):
        builder = self.code.builder
        return builder.bitcast(builder.gep(self.pointer, [self._place(i)]), kind.as_pointer())

    def _read(self, pointer):
        return self.code.builder.load(pointer, align=self.itemsize)
