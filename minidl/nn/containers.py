"""Modules that hold modules: in a row, in a list, by name."""
from minidl.nn.module import Module
from minidl.nn.parameter import Parameter
from minidl.tensor import Tensor


class _List(Module):
    """What Sequential, ModuleList and ParameterList share: items named "0", "1", ..."""

    def __len__(self):
        return len(self._items())

    def __iter__(self):
        return iter(self._items())

    def __getitem__(self, index):
        """One item by its place; a slice as a container of the same kind, sharing the items."""
        items = self._items()
        if isinstance(index, slice):
            return type(self)(*items[index]) if isinstance(self, Sequential) else type(self)(items[index])
        return items[self._place(index)]

    def __setitem__(self, index, item):
        setattr(self, list(self._named())[self._place(index)], item)

    def __delitem__(self, index):
        items = self._items()
        del items[index]
        self._replace(items)

    def append(self, item):
        self._add(str(len(self)), item)
        return self

    def extend(self, items):
        for item in list(items):
            self.append(item)
        return self
        return self

    def insert(self, index, item):
        items = self._items()
        items.insert(index, item)
        self._replace(items)

    def _named(self):
        return self._modules

    def _add(self, name, item):
        self.add_module(name, item)

    def _items(self):
        return list(self._named().values())

    def _place(self, index):
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"{type(self).__name__} holds {n} items; there is no item {index}")
        return index % n

    def _replace(self, items):
        for name in self._named():
            delattr(self, name)
        self.extend(items)


class Sequential(_List):
    """Each module's output is the next one's input. `Sequential(a, b)`, or a dict to give them names."""

    def __init__(self, *args):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], dict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            self.extend(args)

    def forward(self, input):
        for module in self._modules.values():
            input = module(input)
        return input


class ModuleList(_List):
    """A list whose modules are parts of the module that holds it. It computes nothing itself."""

    def __init__(self, modules=()):
        super().__init__()
        self.extend(modules or ())


class ModuleDict(Module):
    """A dictionary whose modules are parts of the module that holds it. It computes nothing itself."""

    def __init__(self, modules=()):
        super().__init__()
        self.update(modules or {})

    def __getitem__(self, key): return self._modules[key]
    def __setitem__(self, key, module): self.add_module(key, module)
    def __delitem__(self, key): delattr(self, key)
    def __len__(self): return len(self._modules)
    def __iter__(self): return iter(self._modules)
    def __contains__(self, key): return key in self._modules
    def keys(self): return self._modules.keys()
    def values(self): return self._modules.values()
    def items(self): return self._modules.items()

    def update(self, modules):
        for key, module in dict(modules).items():
            self[key] = module


class ParameterList(_List):
    """A list whose parameters belong to the module that holds it; plain tensors become Parameters."""

    def __init__(self, values=()):
        super().__init__()
        self.extend(values or ())

    def extra_repr(self):
        return ", ".join([f"({name}): Parameter{p.shape}" for name, p in self._named().items()])

    def _named(self):
        return self._parameters

    def _add(self, name, item):
        self.register_parameter(name, Parameter(item) if isinstance(item, Tensor) and not
                                isinstance(item, Parameter) else item)
