"""Transfer learning: what a network has learned, put to use for other classes.

    net = architectures.build("resnet50_v1_5")
    interop.torch.load(net, "resnet50-0676ba61.pth")
    replace_head(net, num_classes=5)
    freeze(net, except_=heads(net))                                       # train the new head only; or
    optimizer = optim.SGD(parameter_groups(net, lr=0.01, decay=0.8))      # all of it, the lower the more slowly
"""
import minidl
from minidl import nn
from minidl.interop.torch import differing


def heads(model):
    """The layers that give the scores, by name: the network's, and one for each of its auxiliary classifiers.

    Each is the last layer that holds numbers, in the order in which layers were assigned; a child of the network that is
    called aux..., as in GoogLeNet and NASNet, is a classifier by itself.
    """
    last = {}
    for name, layer in model.named_modules():
        if holds_numbers(layer, recurse=False):
            child = name.split(".")[0]
            last[child if child.startswith("aux") else "the network"] = name, layer
    return dict(last.values())


def replace_head(model, num_classes):
    """Put new layers, for `num_classes` classes, in the place of the `heads` of `model`, and return it.

    They have the first values of the network's paper: those that its method `init_(module)` gives, as all networks of
    architectures/ have one. Without, they start as a Linear or Conv2d does. All else stays as it is. TypeError if a head
    is neither.
    """
    found = heads(model)
    for name, old in found.items():
        if not name or not isinstance(old, (nn.Linear, nn.Conv2d)):
            raise TypeError(f"replace_head: the head of {type(model).__name__}, {name or 'which is all of it'}, is a "
                            f"{type(old).__name__}; a Linear or a Conv2d inside of it can be replaced")
    for name, old in found.items():
        new = with_outputs(old, num_classes)
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, new)
        if hasattr(model, "init_"):
            model.init_(new)
    return model


def with_outputs(layer, n):
    """A new layer like this one, but for `n` outputs, on the same device and of the same dtype."""
    bias = layer.bias is not None
    with minidl.device(layer.weight.device):
        if isinstance(layer, nn.Linear):
            new = nn.Linear(layer.in_features, n, bias)
        else:
            new = nn.Conv2d(layer.in_channels, n, layer.kernel_size, layer.stride, layer.padding, layer.dilation,
                            layer.groups, bias, layer.padding_mode)
    return new.to(layer.weight.dtype).train(layer.training)


def freeze(model, except_=()):
    """Train nothing of `model` any more, but for the parts named in `except_`, such as "fc" or ["layer4", "fc"].

    Frozen parameters require no gradient: none is computed for them, nor for what is below the lowest that does. And what
    is frozen stays in eval() whatever train() says, so that it computes what it did when it was trained: batch norm goes
    by its running statistics and leaves them alone, nothing is dropped. (In PyTorch, requires_grad_(False) is not enough:
    the statistics move with every batch in train(), and every train() undoes an eval().)

    Frozen are the largest parts that hold numbers and nothing of `except_`: a dropout that stands beside them, before the
    head, say, goes on dropping. `unfreeze` takes it back.
    """
    names = [except_] if isinstance(except_, str) else except_
    freeze_but(model, {model.get_submodule(name) for name in names})


def freeze_but(part, kept):
    """Freeze `part`, but for the modules in `kept`."""
    if part in kept:
        return
    if kept.intersection(part.modules()):
        for x in part.parameters(recurse=False):
            x.requires_grad_(False)
        for child in part.children():
            freeze_but(child, kept)
    elif holds_numbers(part):
        set_frozen(part, True)
        part.eval()


def unfreeze(model):
    """Train all of `model`, or of a part of it, again; its mode changes with the next train()."""
    set_frozen(model, False)


def set_frozen(part, frozen):
    part.requires_grad_(not frozen)
    for module in part.modules():
        module.frozen = frozen


def holds_numbers(module, recurse=True):
    return any([True for members in (module.parameters, module.buffers) for _ in members(recurse)])


def parameter_groups(model, lr, decay=1.0, rates=None):
    """Groups for an optimizer, a layer each, from the last to the first, each with a learning rate of its own.

        optim.SGD(parameter_groups(net, 0.01, decay=1 / 2.6), momentum=0.9)
        optim.SGD(parameter_groups(net, 0.001, rates={"fc": 0.01}), momentum=0.9)

    lr    : the last layer's
    decay : every layer's is that of the one after it, times this. Howard & Ruder 2018, "Universal language model
            fine-tuning for text classification", arXiv 1801.06146, section 3.1, with 1 / 2.6
    rates : the learning rates of layers or parts by name; they do not depend on depth

    A layer is a child of the model, or each part of one that is a Sequential or a list: a block of a ResNet, with all that
    is in it. Layers with nothing but vectors, as batch norm's, are of one group with the layer before. What is frozen is
    in no group. Also for PyTorch's optimizers, which keep the groups' "name".
    """
    rates, groups = rates or {}, []
    for name in rates:
        model.get_submodule(name)                               # AttributeError, with the names there are
    for name, layer in layers(model):
        params = [x for x in layer.parameters() if x.requires_grad]
        if groups and all([x.ndim < 2 for x in params]):
            groups[-1]["params"] += params
        elif params:
            groups.append({"name": name, "params": params})
    groups.reverse()
    for depth, group in enumerate(groups):
        own = [rate for part, rate in rates.items() if f"{group['name']}.".startswith(f"{part}.")]
        group["lr"] = own[-1] if own else lr * decay ** depth
    return groups


def layers(model, prefix=""):
    """(name, layer) of the children of `model`, those of rows of layers in their place."""
    for name, child in model.named_children():
        if type(child) in (nn.Sequential, nn.ModuleList, nn.ModuleDict):
            yield from layers(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child


def load_pretrained(model, weights, new_head=False):
    """Give `model` the numbers of a network like it that may have learned other classes.

    weights  : the state dict of that network, or arrays by name
    new_head : keep the first values of the `heads` also where those of `weights` would fit

    The names of what keeps its first values are returned: those of heads whose shape is another one. Where anything else
    does not fit, it is a ValueError, and the model is as it was.
    """
    state, drawn = model.state_dict(), []
    for name in heads(model):
        keys = [key for key in state if key.startswith(f"{name}.")]
        if new_head or any([key not in weights or weights[key].shape != state[key].shape for key in keys]):
            drawn += keys
    wanted, found = ({key: x for key, x in tensors.items() if key not in drawn} for tensors in (state, weights))
    if difference := differing(found, wanted):
        raise ValueError(f"the weights do not fit {type(model).__name__}, of which only the head may differ: {difference}")
    model.load_state_dict(found, strict=False)
    return drawn
