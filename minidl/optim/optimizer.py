"""Optimizer: which parameters are updated with which settings, and how to save what the updates remember."""
import math
import numbers

import minidl
from minidl.creation import on_device
from minidl.kernels import device_of, kernels_for, out_of_memory
from minidl.mode import enable_grad
from minidl.tensor import Tensor


class Optimizer:
    """Updates parameters in place from their gradients. A subclass says how, in `update`.

    params   : parameters, or dicts {"params": parameters, "lr": 0.01, ...}: groups with settings of their own
    defaults : the settings of groups that do not say otherwise

    param_groups : the groups, as dicts; schedules write to their "lr"
    state        : parameter -> a dict of arrays and numbers that its updates remember
    """

    def __init__(self, params, defaults):
        self.defaults, self.param_groups, self.state = defaults, [], {}
        if isinstance(params, (Tensor, dict)):
            raise TypeError(f"{self}: parameters come as a list of tensors or of groups, not as one "
                            f"{type(params).__name__}")
        params = list(params)
        if not params:
            raise ValueError(f"{self}: there are no parameters to update; was a generator used up before?")
        for group in params if isinstance(params[0], dict) else [{"params": params}]:
            self.add_param_group(group)

    def add_param_group(self, param_group):
        """More parameters, with settings of their own: {"params": parameters, "lr": 0.01}."""
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        group = {**self.defaults, **param_group, "params": params}
        known = {id(p) for other in self.param_groups for p in other["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"{self}: parameters are tensors, not {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError(f"{self}: a tensor of shape {p.shape} was computed by {p.op}; only leaves "
                                 "can be updated")
            if id(p) in known:
                raise ValueError(f"{self}: a parameter of shape {p.shape} comes twice")
            known.add(id(p))
        self.check(group)
        self.param_groups.append(group)

    def check(self, settings):
        """Are the settings numbers that an update can use?"""
        for name, value in settings.items():
            if name == "betas":
                if len(value) != 2 or not 0 <= min(value) <= max(value) < 1:
                    raise ValueError(f"{self}: betas are two numbers from 0 to below 1, not {value}")
            elif name in AT_LEAST_0 and not (isinstance(value, numbers.Real) and 0 <= value < math.inf):
                raise ValueError(f"{self}: {name} is a number of at least 0, not {value!r}")

    def zero_grad(self, set_to_none=True):
        """Forget all gradients, or set them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad = p.grad.detach().zero_()

    def step(self, closure=None):
        """Update every parameter that has a gradient.

        closure : computes the loss again, with its gradients, before the update; its result is returned
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            settings = {name: number(group[name]) for name in self.defaults if name != "maximize"}
            for p in group["params"]:
                if p.grad is not None:
                    g = -p.grad.array if group["maximize"] else p.grad.array
                    try:
                        self.update(p.array, g, self.state.setdefault(p, {}), **settings)
                    except MemoryError as error:
                        raise out_of_memory(f"{self}.step", error) from error
                    p.version.bump(f"{self}.step")
        return loss

    def update(self, w, g, state, **settings):
        """Change the array w in place, given the gradient g and what earlier updates left in `state`."""
        raise NotImplementedError(f"{self} has no update")

    # ---- the state, out and in

    def state_dict(self):
        """{"state": {i: state of parameter i}, "param_groups": [settings, with "params": [i, ...]]}

        PyTorch's layout, in dicts, lists, numbers and arrays (not copied): a file of it needs no pickle.
        """
        order = self._in_order()
        index = {id(p): i for i, p in enumerate(order)}
        return {"state": {i: dict(self.state[p]) for i, p in enumerate(order) if self.state.get(p)},
                "param_groups": [{**group, "params": [index[id(p)] for p in group["params"]]}
                                 for group in self.param_groups]}

    def load_state_dict(self, state_dict):
        """Continue where the optimizer of this state dict stood. Where it does not fit, nothing changes."""
        groups, order = state_dict["param_groups"], self._in_order()
        sizes, own_sizes = [[len(group["params"]) for group in gs] for gs in (groups, self.param_groups)]
        if sizes != own_sizes:
            raise ValueError(f"{self}: the state dict has groups of {sizes} parameters, this optimizer of "
                             f"{own_sizes}")
        place = dict(zip([i for group in groups for i in group["params"]], order))
        state = {}
        for i, saved in state_dict["state"].items():
            p = place[int(i)]                            # JSON makes "0" of the key 0
            state[p] = {name: restored(self, name, value, p) for name, value in saved.items()
                        if value is not None}            # PyTorch's for a momentum not yet there
        for group in groups:
            if unknown := self.defaults.keys() - group.keys():
                raise ValueError(f"{self}: the state dict says nothing about {', '.join(sorted(unknown))}; "
                                 "is it another optimizer's?")
            self.check(group)
        self.state = state
        for group, saved in zip(self.param_groups, groups):
            group.update({name: value for name, value in saved.items() if name != "params"})

    def _in_order(self):
        return [p for group in self.param_groups for p in group["params"]]

    def __repr__(self):
        return type(self).__name__


AT_LEAST_0 = {"lr", "momentum", "weight_decay", "eps", "alpha", "lr_decay", "initial_accumulator_value"}


def buffer(state, name, w, value=0.0):
    """The array of this name in `state`, on w's device; at first, of w's shape and full of `value`."""
    if name not in state:
        state[name] = kernels_for(w).full_like(w, value)
    elif type(state[name]) is not type(w):               # w was moved
        state[name] = on_device(state[name], device_of(w))
    return state[name]


def number(x):
    """A NumPy or tensor scalar as a Python number, which leaves float32 arrays float32."""
    return x.item() if hasattr(x, "item") else x


def restored(optimizer, name, value, p):
    """A saved value as p's state: a copy of p's dtype, or the number of steps."""
    if name == "step":
        return int(value)
    array = minidl.tensor(value, dtype=p.dtype, device=p.device).array
    if array.shape != p.shape:
        raise ValueError(f"{optimizer}: {name} has shape {array.shape} in the state dict, but its parameter "
                         f"{p.shape}")
    return array
