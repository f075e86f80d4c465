"""Op: one differentiable operation. One call of an Op is one node of the graph."""
import functools
import inspect

import numpy as np

import minidl
from minidl.dtypes import category, get_default_dtype, result_type
from minidl.kernels import MixedDevices, device_of, is_array, kernels_for, out_of_memory
from minidl.mode import Mode
from minidl.tensor import Tensor, of

LARGE = 2 ** 15               # numbers; smaller arrays stay in the caches from one operation to the next


class Op:
    """A differentiable operation: tensors in, one tensor out.

    forward (k, *arrays) -> array        speaks arrays; k is the kernel set of their device
    backward(gy, y, *xs) -> gradients    one per input, None where there is none

    The same backward serves twice: it is called with arrays in a plain backward pass, and with tensors
    when its gradients will be differentiated themselves; so it is written in operators and in functions
    of `minidl.ops`, which take both.

    reads    names what backward reads, so that the rest need not be kept: "y", "x", "x y". Where the
             gradients of the inputs read different things, they are separated by commas: Mul says
             "b, a", for the gradient of a reads b. What is not kept reaches backward as an `Outline`,
             which has a shape and a dtype but no numbers.
    A subclass with settings is a `@dataclass(eq=False)`: its fields are the settings, and its repr is
    what traces, drawings and errors show. Whatever else forward stores in self lives until backward.

    Inputs that are not tensors (a number, an index array) are constants and pass through as they are.
    Called on arrays alone, an op computes and records nothing.
    """
    reads = ""
    view = False              # may the result share x's memory?
    number_by_number = False  # is it the same function of every number? Then arrays are gone through once (Elementwise)

    edges = None              # per input: the node its gradient goes to, or None; FREED after the walk
    hooks = None              # tensor hooks on the result
    retained_by = None        # weak reference to the result, if it asked to retain its gradient
    origin = None             # (module path, "file:line") of the call: in anomaly mode, and for observers

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        parameters = list(inspect.signature(cls.forward).parameters.values())[2:]
        cls.variadic = bool(parameters) and parameters[-1].kind is parameters[-1].VAR_POSITIONAL
        cls.input_names = tuple(p.name for p in parameters)
        cls.reads_per_input = [set(part.split()) for part in cls.reads.split(",")]
        known = {"y", *cls.input_names}
        for name in set().union(*cls.reads_per_input) - known:
            raise TypeError(f"{cls.__name__}.reads names {name!r}, but there are only {sorted(known)}")

    def __call__(self, *inputs):
        inputs, arrays, tensors = self.prepare(inputs), [], []
        for x in inputs:
            if isinstance(x, Tensor):
                tensors.append(x)
                x = x.array
            elif isinstance(x, Outline):
                return x
            arrays.append(x)
        try:
            k = kernels_for(*arrays)
        except MixedDevices as error:
            return self.on_one_device(inputs, error)
        anomaly, observer = Mode.anomaly, Mode.observer
        if anomaly or observer is not None:
            self.origin = minidl.anomaly.origin()
        forward = self.forward
        if self.number_by_number and tensors and (tensors[0].array.size >= LARGE or tensors[-1].array.size >= LARGE):
            forward = self.forward_in_one_pass
        if observer is not None:
            forward = observer.forward(self, forward)
        try:
            result = forward(k, *arrays)
        except ValueError as error:                      # such as shapes that do not broadcast
            raise ValueError(f"{self}: {error}") from error
        except MemoryError as error:
            raise out_of_memory(self, error) from error
        result = result if is_array(result) else k.asarray(result)     # NumPy's reductions answer with scalars
        if not tensors:
            return result
        y = of(result)
        if self.view and k.may_share_memory(y.array, tensors[0].array):
            y.version, y.view_at = tensors[0].version, tensors[0].version.count
        if anomaly and Mode.rule is None:
            minidl.anomaly.check_forward(self, arrays, y.array)
        if Mode.recording:
            requires_grad = False
            for x in tensors:
                requires_grad = requires_grad or x._requires_grad
                if x.view_at is not None and x.version.rebased_at > x.view_at:
                    raise RuntimeError(f"{self}: an input of shape {x.shape} is a view of memory that "
                                       f"{x.version.changed_by} has changed since, and was recorded doing so; take "
                                       "the view again")
            if requires_grad and result.dtype.kind == "f":
                self.record(inputs, y)
        return y

    def prepare(self, inputs):
        """What becomes of the inputs before forward sees them; Elementwise promotes their dtypes."""
        return inputs

    def on_one_device(self, inputs, error):
        """The result of inputs that are on several devices; an error, but for Elementwise beside single numbers."""
        raise MixedDevices(f"{self}: {error}") from None

    def forward(self, k, *arrays):
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, gy, y, *xs):
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    # ---- the node

    def record(self, inputs, y):
        """Become the node that made `y`: remember the edges, and of the numbers those that are read."""
        if self.edges is not None:
            raise RuntimeError(f"{self}: one call of an op is one node of the graph; make a new op for each call")
        if type(self).__hash__ is None:
            raise TypeError(f"{type(self).__name__}: write @dataclass(eq=False); nodes are told apart by identity")
        wanted = tuple([isinstance(x, Tensor) and x._requires_grad for x in inputs])
        read_y, read = self.what_is_read(wanted)
        self.edges, self.saved, self.versions = [], [], []
        for x, edge, keep in zip(inputs, wanted, read):
            self.edges.append(x.op or x if edge else None)
            self.saved.append(x if keep or not isinstance(x, Tensor) else Outline(x.array))
            if keep and isinstance(x, Tensor):
                self.versions.append((x.version, x.version.count))
        self.y = y.array if read_y else Outline(y.array)     # a node that held its own tensor would be a cycle
        if read_y:
            self.versions.append((y.version, y.version.count))
        y.op, y._requires_grad = self, True

    def what_is_read(self, wanted):
        """Do the rules of the gradients that are `wanted` read y, and do they read each input?"""
        return (True, (True,) * len(wanted)) if Mode.keep_all else reads_of(type(self), wanted)

    def name_of_input(self, i):
        return self.input_names[min(i, len(self.input_names) - 1)]

    def needs(self, i):
        """Is the gradient of input `i` wanted? A costly rule asks before computing it."""
        return self.wanted[i]

    def gradients(self, gy, wanted, create_graph):
        """`backward`, given what was kept; its answers checked, one per input.

        wanted : per input, whether its gradient is (truth values)
        """
        self.wanted = wanted
        self.check_versions()
        if create_graph:
            y, xs = self.y, self.saved
            if not isinstance(y, Outline):
                y = of(y)
                y.op, y._requires_grad = self, True
        else:
            y, xs = self.y, [x.array if isinstance(x, Tensor) else x for x in self.saved]
        rule = self.backward
        if self.number_by_number and not create_graph and gy.size >= LARGE:
            rule = self.backward_in_one_pass
        if Mode.observer is not None:
            rule = Mode.observer.backward(self, rule)
        try:
            gxs = rule(gy, y, *xs)
        except MemoryError as error:
            raise out_of_memory(f"{self}, on the way back", error) from error
        gxs = gxs if isinstance(gxs, (tuple, list)) else [gxs]
        if len(gxs) != len(xs):
            raise ValueError(f"{self}.backward gave {len(gxs)} gradients for {len(xs)} inputs")
        answers = []
        for i, gx in enumerate(gxs):
            answers.append(self.checked(i, gx, xs[i]) if wanted[i] and gx is not None else None)
        return answers

    def checked(self, i, gx, x):
        """A gradient of x's shape and dtype, whatever backward made of it; or an error."""
        if isinstance(gx, Outline):
            raise RuntimeError(f"{self}.backward computes the gradient of {self.name_of_input(i)} from numbers "
                               f"that were not kept; reads = {self.reads!r} forgets them")
        if isinstance(gx, np.generic):      # what NumPy makes of 0-d * 0-d
            gx = np.asarray(gx)
        if gx.shape != x.shape:
            gx = self.fitted(gx, x.shape)
        return gx if gx.dtype == x.dtype else minidl.ops.cast(gx, x.dtype)

    def fitted(self, gx, shape):
        raise ValueError(f"{self}.backward gave a gradient of shape {gx.shape} to an input of shape {shape}")

    def check_versions(self):
        for version, count in self.versions:
            if version.count != count:
                raise RuntimeError(
                    f"{self} kept an input or its output for its gradient, but {version.changed_by} has changed it in "
                    f"place since; change a clone, or change it before {type(self).__name__} uses it"
                    f"{self.whereabouts()}")

    def whereabouts(self):
        return f" ({' at '.join(filter(None, self.origin))})" if self.origin else ""

    def release(self):
        """Forget the inputs and whatever forward stored; a later walk that comes here is an error."""
        everything = vars(self)
        settings = getattr(self, "__dataclass_fields__", ())
        remains = {name: everything[name] for name in [*settings, "origin"] if name in everything}
        everything.clear()
        everything.update(remains, edges=FREED)

    def __repr__(self):
        return f"{type(self).__name__}()"


class Elementwise(Op):
    """An op whose inputs broadcast. Their dtypes are promoted first, by PyTorch's rules; each gradient
    is summed back to its input's shape.

    Forward and backward are arithmetic, and NumPy goes through whole arrays for each operation in it. For large arrays a
    kernel set may compile the arithmetic, and go through them once.

    to_float         : integers become the default float dtype first, as for exp or division
    number_by_number : False for ops that only broadcast like these, as a matrix product does
    """
    to_float = False
    number_by_number = True

    def prepare(self, inputs):
        try:
            dtypes = [x.dtype for x in inputs if type(x) not in (float, int, bool)]
        except AttributeError:
            kinds = ", ".join([type(x).__name__ for x in inputs])
            raise TypeError(f"{self}: takes tensors, arrays and real numbers, not {kinds}") from None
        if dtypes and dtypes.count(dtypes[0]) == len(dtypes) and dtypes[0].kind == "f":
            return inputs                                # by far the most common case
        if any([isinstance(x, np.generic) for x in inputs]):
            inputs = scalars_settled(inputs)
        dtype = result_type(*inputs)
        if self.to_float and category(dtype) < 2:
            dtype = get_default_dtype()
        return [minidl.ops.cast(x, dtype) if hasattr(x, "dtype") and x.dtype != dtype else x for x in inputs]

    def on_one_device(self, inputs, error):
        """A tensor of no dimension on the host counts as a number, which goes to where the others are; as in PyTorch."""
        arrays = [getattr(x, "array", x) for x in inputs]
        on_host = [is_array(x) and not x.ndim and device_of(x) == "cpu" for x in arrays]
        if not any(on_host):
            return super().on_one_device(inputs, error)
        return self(*[minidl.ops.to_device(x, "cuda") if moves else x for x, moves in zip(inputs, on_host)])

    def fitted(self, gx, shape):
        lead = len(gx.shape) - len(shape)
        if lead < 0 or any([n not in (1, m) for n, m in zip(shape, gx.shape[lead:])]):
            return super().fitted(gx, shape)
        return minidl.ops.sum_to(gx, shape)

    # ---- large arrays

    def forward_in_one_pass(self, k, *arrays):
        y = k.in_one_pass(minidl.expression.of(self), arrays)
        return self.forward(k, *arrays) if y is None else y

    def backward_in_one_pass(self, gy, y, *xs):
        kept = [not isinstance(x, Outline) for x in (y, *xs)]
        arrays = [x if there else None for x, there in zip((y, *xs), kept)]
        gxs = kernels_for(gy).in_one_pass(minidl.expression.of(self, tuple(self.wanted), tuple(kept)), [gy, *arrays])
        return self.backward(gy, y, *xs) if gxs is None else gxs


class Outline:
    """An array's shape and dtype, where its numbers were not kept because no wanted gradient reads them.

    Arithmetic with an Outline is an Outline: a rule may write all its gradients in one line, and those
    that nobody wants cost nothing.
    """
    __slots__ = ("shape", "dtype")
    __array_ufunc__ = None

    def __init__(self, array):
        self.shape, self.dtype = array.shape, array.dtype

    ndim = property(lambda self: len(self.shape))

    def _absorb(self, *others):
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _absorb
    __pow__ = __rpow__ = __neg__ = __matmul__ = __rmatmul__ = __getitem__ = _absorb
    __lt__ = __le__ = __gt__ = __ge__ = swapaxes = _absorb

    def __repr__(self):
        return f"Outline{self.shape}"


class _Freed(tuple):
    def __repr__(self):
        return "FREED"


FREED = _Freed()      # the edges of a node that was walked and whose memory was given back


@functools.cache
def reads_of(cls, wanted):
    """Does the rule of `cls` read y, and does it read each input, where the gradients in `wanted` are?"""
    reads = cls.reads_per_input
    if len(reads) > 1:
        reads = [part for part, i_wanted in zip(reads, wanted, strict=True) if i_wanted]
    names = set().union(*reads)
    last = len(cls.input_names) - 1
    return "y" in names, tuple([cls.input_names[min(i, last)] in names for i in range(len(wanted))])


def needs_grad(x):
    return isinstance(x, Tensor) and x._requires_grad


def scalars_settled(inputs):
    """NumPy scalars beside tensors become Python numbers, which take part in promotion without deciding
    it; among arrays they are what NumPy made of a 0-d array, and become one again."""
    beside_tensors = any([isinstance(x, Tensor) for x in inputs])
    return [x if not isinstance(x, np.generic) else x.item() if beside_tensors else np.asarray(x) for x in inputs]
