"""Module: what layers and networks are made of; parameters, submodules and a forward."""
import threading
from types import NoneType
from typing import NamedTuple

import minidl
from minidl.mode import Mode
from minidl.nn.hooks import BackwardHooks
from minidl.nn.parameter import Parameter
from minidl.tensor import Handle, Tensor


class Module:
    """A layer or a network. `forward` says what it computes; its attributes are what it holds.

        class Perceptron(nn.Module):
            def __init__(self):
                super().__init__()
                self.hidden = nn.Linear(64, 32)
                self.output = nn.Linear(32, 10)

            def forward(self, x):
                return self.output(F.relu(self.hidden(x)))

    An attribute that is a Parameter is trained, one that is a Module is a part, and a tensor named by
    `register_buffer` is saved but not trained. Lists are not looked into: use a ModuleList. Call the
    module, `model(x)`, rather than its forward: the call runs the hooks, too.

    training : True until `eval()`; dropout and batch norm ask for it
    frozen   : does `train()` leave it in eval()? `minidl.train.freeze` sets this
    """

    def __init__(self):
        self.training, self.frozen = True, False
        self._is_persistent = {}                 # the buffers: name -> is it part of the state dict?
        self._forward_pre_hooks, self._forward_hooks = {}, {}
        self._backward_pre_hooks, self._backward_hooks = {}, {}

    def forward(self, *args, **kwargs):
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *args, **kwargs):
        try:
            if (Mode.anomaly or Mode.observer is not None or self._forward_pre_hooks or self._forward_hooks
                    or self._backward_pre_hooks or self._backward_hooks):
                return self._watched_call(args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            note_path(error, self)
            raise

    def _watched_call(self, args, kwargs):
        """`forward` with the hooks around it, and with `module_path()` knowing where it is."""
        calls.append(self)
        try:
            for hook in list(self._forward_pre_hooks.values()):
                answer = hook(self, args)
                if answer is not None:
                    args = answer if isinstance(answer, tuple) else (answer,)
            if self._backward_pre_hooks or self._backward_hooks:
                gates = BackwardHooks(self)
                return gates.outputs(self._forward_and_hooks(gates.inputs(args), kwargs))
            return self._forward_and_hooks(args, kwargs)
        finally:
            calls.pop()

    def _forward_and_hooks(self, args, kwargs):
        y = self.forward(*args, **kwargs)
        for hook in list(self._forward_hooks.values()):
            answer = hook(self, args, y)
            y = y if answer is None else answer
        return y

    # ---- what it holds: whatever its attributes are

    @property
    def _parameters(self):
        return {name: x for name, x in vars(self).items() if isinstance(x, Parameter)}

    @property
    def _buffers(self):
        buffers = {name: x for name, x in vars(self).items() if name in self._is_persistent}
        return {name: x for name, x in buffers.items() if x is not None and not isinstance(x, Parameter)}

    @property
    def _modules(self):
        return {name: x for name, x in vars(self).items() if isinstance(x, Module)}

    def __setattr__(self, name, value):
        if isinstance(value, (Parameter, Module)) and "training" not in vars(self):
            raise AttributeError(f"{type(self).__name__}: call super().__init__() before assigning {name!r}")
        if isinstance(vars(self).get(name), Parameter) and not isinstance(value, (Parameter, NoneType)):
            raise TypeError(f"{type(self).__name__}.{name} is a parameter; a {type(value).__name__} in its "
                            "place would not be trained. Wrap it in nn.Parameter, or copy_ into the old one")
        if name in vars(self).get("_is_persistent", ()) and not isinstance(value, (Tensor, NoneType)):
            raise TypeError(f"{type(self).__name__}.{name} is a buffer: a Tensor, not {type(value).__name__}")
        super().__setattr__(name, value)

    def register_parameter(self, name, param):
        """As `self.name = param`; None is a parameter that is not there, such as an absent bias."""
        self._set_new(name, param, Parameter)

    def add_module(self, name, module):
        """As `self.name = module`, for a name that is only known at run time."""
        self._set_new(name, module, Module)

    def register_buffer(self, name, tensor, persistent=True):
        """A tensor that belongs to the module without being trained, such as batch norm's running mean.

        persistent : is it part of the state dict?
        """
        self._set_new(name, tensor, Tensor)
        self._is_persistent[name] = persistent

    def _set_new(self, name, value, kind):
        where = f"{type(self).__name__}: {name!r}"
        if not isinstance(name, str) or name == "" or "." in name:
            raise KeyError(f"{where} cannot be a name: names are strings without dots, and not empty")
        if hasattr(self, name) and not isinstance(vars(self).get(name, name), (kind, NoneType)):
            raise KeyError(f"{where} is the name of something else already")
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{where} should be a {kind.__name__} or None, not {type(value).__name__}")
        setattr(self, name, value)

    def named_children(self):
        """The modules directly inside this one, with their names."""
        return unique(self._modules.items())

    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        """This module, named `prefix`, and all modules inside it, named "features.0"; each once."""
        memo = set() if memo is None else memo
        if remove_duplicate:
            if self in memo:
                return
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            yield from module.named_modules(memo, join(prefix, name), remove_duplicate)

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        """Every parameter with its name, "features.0.weight"; one that is shared, only the first time."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        """Every buffer with its name."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def _named_members(self, kind, prefix, recurse, remove_duplicate):
        modules = self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]
        members = ((join(path, name), x) for path, module in modules
                   for name, x in getattr(module, kind).items())
        return unique(members) if remove_duplicate else members

    def children(self): return (module for _, module in self.named_children())
    def modules(self): return (module for _, module in self.named_modules())
    def parameters(self, recurse=True): return (x for _, x in self.named_parameters(recurse=recurse))
    def buffers(self, recurse=True): return (x for _, x in self.named_buffers(recurse=recurse))

    def get_submodule(self, target):
        """The module of that path, such as "features.0"; "" is this one."""
        module = self
        for name in target.split(".") if target else []:
            if name not in module._modules:
                there = ", ".join(module._modules) or "nothing"
                raise AttributeError(f"{type(self).__name__} has no submodule {target!r}: there is no "
                                     f"{name!r} in the {type(module).__name__}, which holds {there}")
            module = module._modules[name]
        return module

    # ---- the state, out and in

    def state_dict(self, *, prefix="", keep_vars=False):
        """All parameters and persistent buffers by name, as detached tensors on the same memory.

        keep_vars : the tensors themselves, not detached
        """
        state = {}
        for path, module in self.named_modules(None, prefix.removesuffix("."), remove_duplicate=False):
            persistent = {name: x for name, x in module._buffers.items() if module._is_persistent[name]}
            for name, x in {**module._parameters, **persistent}.items():
                state[join(path, name)] = x if keep_vars else x.detach()
        return state

    def load_state_dict(self, state_dict, strict=True):
        """Copy the numbers of a state dict (tensors or arrays) into this module's memory.

        strict : missing and unexpected keys are errors; otherwise they are only in the answer,
                 (missing_keys, unexpected_keys). Wrong shapes always are.
        Where there is an error, nothing has been changed.
        """
        own = self.state_dict()
        missing = [key for key in own if key not in state_dict]
        unexpected = [key for key in state_dict if key not in own]
        shapes = {key: tuple(getattr(x, "shape", ())) for key, x in state_dict.items()}
        problems = []
        if strict and missing:
            problems.append(f"missing: {', '.join([f'{key} {own[key].shape}' for key in missing])}")
        if strict and unexpected:
            problems.append(f"unexpected: {', '.join([f'{key} {shapes[key]}' for key in unexpected])}")
        for key, x in own.items():
            if key in shapes and shapes[key] != x.shape:
                problems.append(f"{key} has shape {shapes[key]} in the state dict, but {x.shape} here")
        if problems:
            problems.insert(0, f"the state dict does not fit {type(self).__name__}:")
            raise RuntimeError("\n  ".join(problems))
        for key, x in own.items():
            if key in state_dict:
                x.copy_(state_dict[key])
        return KeysThatDiffer(missing, unexpected)

    # ---- switches and casts: each answers with the module itself

    def train(self, mode=True):
        """Training behaviour (dropout drops, batch norm uses the batch) for all modules inside, too, but frozen ones."""
        for module in self.modules():
            module.training = mode and not module.frozen
        return self

    def eval(self):
        """As `train(False)`."""
        return self.train(False)

    def apply(self, fn):
        """Call `fn(module)` for every module inside, then for this one; for initialising weights, say."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def requires_grad_(self, requires_grad=True):
        """Train all parameters, or freeze them."""
        for x in self.parameters():
            x.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        """Forget the gradients, or set them to zero."""
        for x in self.parameters():
            x.grad = None if set_to_none or x.grad is None else minidl.zeros_like(x.grad)

    def to(self, *targets, device=None, dtype=None, non_blocking=False):
        """Move to a device, cast to a floating-point dtype, or both: to("cuda"), to(minidl.float64), to(another tensor).

        The Parameters stay the same objects, so an optimizer keeps them. Integer buffers keep their dtype.
        """
        device, dtype = minidl.creation.destination(targets, device, dtype)
        if dtype is not None and minidl.dtypes.category(dtype) < 2:
            raise TypeError(f"{type(self).__name__}.to: parameters can only be floating-point, not {dtype}")

        def moved(x):
            return x.to(device=device, dtype=dtype if x.is_floating_point() else None, non_blocking=non_blocking)

        for x in [*self.parameters(), *self.buffers()]:
            y = moved(x.detach())
            x.array, x.version = y.array, y.version
            x.grad = None if x.grad is None else moved(x.grad.detach())
        return self

    def float(self): return self.to(minidl.float32)
    def double(self): return self.to(minidl.float64)
    def half(self): return self.to(minidl.float16)
    def cpu(self): return self.to("cpu")
    def cuda(self, device=0): return self.to(device)

    # ---- hooks: each returns a handle with remove()

    def register_forward_pre_hook(self, hook):
        """Before forward, `hook(module, args)`; what it returns, unless None, are the new args."""
        return Handle(self._forward_pre_hooks, hook)

    def register_forward_hook(self, hook):
        """After forward, `hook(module, args, output)`; what it returns, unless None, is the new output."""
        return Handle(self._forward_hooks, hook)

    def register_full_backward_pre_hook(self, hook):
        """When the gradients of the outputs are complete, `hook(module, grad_output)`, a tuple; what it
        returns, unless None, takes their place."""
        return Handle(self._backward_pre_hooks, hook)

    def register_full_backward_hook(self, hook):
        """When the gradients of the inputs are complete, `hook(module, grad_input, grad_output)`, tuples
        with None for what needs no gradient; what it returns, unless None, takes the place of grad_input."""
        return Handle(self._backward_hooks, hook)

    # ---- for people

    def extra_repr(self):
        """What stands in the brackets of this module's repr: its settings."""
        return ""

    def __repr__(self):
        lines = [self.extra_repr()] if self.extra_repr() else []
        for name, module in self._modules.items():
            lines.append(f"({name}): " + repr(module).replace("\n", "\n  "))
        if not self._modules:
            return f"{type(self).__name__}({''.join(lines)})"
        return "\n  ".join([f"{type(self).__name__}(", *lines]) + "\n)"


class KeysThatDiffer(NamedTuple):
    missing_keys: list
    unexpected_keys: list


def join(path, name):
    return f"{path}.{name}" if path and name else path or name


def unique(named):
    """Pairs (name, x), each x only the first time. By identity: == on tensors compares their numbers."""
    seen = set()
    for name, x in named:
        if id(x) not in seen:
            seen.add(id(x))
            yield name, x


# ---- where am I? Asked by anomaly mode and the profiler, and when something goes wrong

class _Calls(threading.local):
    def __init__(self):
        self.stack = []          # (module, its path below the first of the stack)

    def append(self, module):
        path = join(self.stack[-1][1], name_within(self.stack[-1][0], module)) if self.stack else ""
        self.stack.append((module, path))

    def pop(self):
        self.stack.pop()


calls = _Calls()


def module_path():
    """The path of the module being called, below the outermost one, as "features.0"; "" outside of any.

    Known in anomaly mode and under an observer (the profiler); nobody keeps count otherwise.
    """
    return calls.stack[-1][1] if calls.stack else ""


def name_within(outer, inner):
    """The name of module `inner` inside `outer`; of one that is not registered there, its class.

    Children first: that is where it nearly always is, and a network of 1202 layers is searched 3607 times.
    """
    for named in outer.named_children(), outer.named_modules():
        for name, module in named:
            if module is inner:
                return name
    return type(inner).__name__


def note_path(error, module):
    """Let the error say which module it came from; every module it passes through knows a longer path."""
    inner, path, note = getattr(error, "raised_in", (None, "", None))
    if inner is not None:
        path = join(name_within(module, inner), path)
    if note in getattr(error, "__notes__", ()):
        error.__notes__.remove(note)
    note = f"in {path or 'forward'} of {type(module).__name__}"
    error.add_note(note)
    error.raised_in = module, path, note
