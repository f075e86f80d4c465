"""in_pytorch: a network of minidl as a PyTorch one, made from the very file that it is written in.

The names are the same in both, so it is enough to read the file with another import:

    import minidl                              import torch as minidl
    from minidl import nn                      from torch import nn
    from minidl.nn import functional as F      from torch.nn import functional as F
    from architectures.resnet import ResNet    ResNet = file_in_pytorch(".../architectures/resnet.py").ResNet
"""
import ast
import functools
import inspect
from importlib.util import find_spec
from types import ModuleType


def in_pytorch(thing):
    """What the file that defines `thing`, a class or a function, would hold under its name if it imported PyTorch.

        net = in_pytorch(architectures.MODELS["resnet20"].builder)()           # a torch.nn.Module
    """
    path = inspect.getsourcefile(thing)
    if path is None or inspect.ismodule(thing):
        raise TypeError(f"in_pytorch: expects a function or class that is written in a file, not {thing!r}")
    found = file_in_pytorch(path)
    for name in thing.__qualname__.split("."):
        found = getattr(found, name)
    return found


@functools.cache
def file_in_pytorch(path):
    """The module that is in the file `path`, with PyTorch as what it imports as minidl."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read(), path)
    module = ModuleType(f"in_pytorch:{path}")
    module.__file__, module.file_in_pytorch = path, file_in_pytorch
    exec(compile(ast.fix_missing_locations(ChangedImports().visit(tree)), path, "exec"), module.__dict__)
    return module


class ChangedImports(ast.NodeTransformer):
    """`torch` in the place of `minidl` in every import, and what another family's file holds; names stay."""

    def visit_ImportFrom(self, node):
        if node.level == 0 and node.module.startswith("architectures."):
            path = find_spec(node.module).origin
            lines = [f"{alias.asname or alias.name} = file_in_pytorch({path!r}).{alias.name}" for alias in node.names]
            return ast.parse("\n".join(lines)).body
        if node.level == 0:
            node.module = changed(node.module)
        return node

    def visit_Import(self, node):
        lines = []
        for alias in node.names:
            name = changed(alias.name)
            if name != alias.name and alias.asname is None:            # the name that the line makes is the first word
                lines.append(ast.Import([ast.alias("torch", "minidl")]))
            lines.append(ast.Import([ast.alias(name, alias.asname)]))
        return [ast.copy_location(line, node) for line in lines]


def changed(name):
    first, dot, rest = name.partition(".")
    return f"torch{dot}{rest}" if first == "minidl" else name


def copy_weights(model, theirs):
    """Give the PyTorch network `theirs` the parameters and buffers of `model`: the keys must be the same."""
    import torch
    theirs.load_state_dict({key: torch.from_numpy(x.detach().cpu().numpy()) for key, x in model.state_dict().items()})
