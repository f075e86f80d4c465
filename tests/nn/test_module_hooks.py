"""Hooks around a module's call, forward and backward."""
import gc
import weakref

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.graph import grad


class Product(nn.Module):
    """Two inputs, two outputs, and a keyword."""

    def forward(self, a, b, times=1.0):
        return a * b * times, a + b


def close(a, b):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-6)


def random(*shape, requires_grad=True):
    return minidl.randn(*shape, requires_grad=requires_grad)


def test_forward_hooks_see_and_may_replace_arguments_and_output():
    layer, seen = nn.Linear(2, 3), []
    x = random(4, 2)
    y = layer(x)
    doubled = layer.register_forward_pre_hook(lambda module, args: args[0] * 2)
    close(layer(x) - layer.bias, 2 * (y - layer.bias))
    doubled.remove()
    with layer.register_forward_hook(lambda module, args, output: seen.append((module, args, output))):
        y = layer(x)
    (module, args, output), = seen
    assert module is layer and args[0] is x and output is y
    layer.register_forward_hook(lambda module, args, output: -output)
    close(layer(x), -y)


def test_a_hook_may_remove_itself():
    layer, calls = nn.Identity(), []

    def once(module, args):
        calls.append(1)
        handle.remove()

    handle = layer.register_forward_pre_hook(once)
    layer(1), layer(1)
    assert calls == [1]


def test_backward_hooks_see_the_gradients_of_outputs_and_inputs_and_change_no_number():
    net, seen = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), []
    x, gy = random(5, 3), random(5, 2, requires_grad=False)
    h = net[0](x)
    y = net[2](net[1](h))
    gh, gx = grad(y, [h, x], gy)
    net[0].register_full_backward_hook(lambda module, *grads: seen.append(grads))
    net[0].register_full_backward_pre_hook(lambda module, grad_output: seen.append(grad_output))
    net(x).backward(gy)
    (pre,), ((grad_input,), (grad_output,)) = seen
    close(pre, gh)
    close(grad_output, gh)
    close(grad_input, gx)
    close(x.grad, gx)


def test_what_a_backward_hook_returns_takes_the_place_of_the_gradient():
    layer = nn.Linear(3, 2)
    x, gy = random(4, 3), random(4, 2, requires_grad=False)
    layer(x).backward(gy)
    gx, gw = x.grad.clone(), layer.weight.grad.clone()
    with layer.register_full_backward_hook(lambda module, grad_input, grad_output: (grad_input[0] * 10,)):
        x.grad = layer.weight.grad = None
        layer(x).backward(gy)
    close(x.grad, 10 * gx)
    close(layer.weight.grad, gw)
    layer.register_full_backward_pre_hook(lambda module, grad_output: (grad_output[0] * 10,))
    x.grad = layer.weight.grad = None
    layer(x).backward(gy)
    close(x.grad, 10 * gx)
    close(layer.weight.grad, 10 * gw)


def test_a_hook_gets_the_gradients_of_several_inputs_together_and_may_change_them_all():
    module, seen = Product(), []
    a, b, gp, gs = random(3), random(3), random(3, requires_grad=False), random(3, requires_grad=False)

    def swap(module, grad_input, grad_output):
        seen.append((grad_input, grad_output))
        return grad_input[1], grad_input[0]

    module.register_full_backward_hook(swap)
    product, total = module(a, b, times=2.0)
    (product * gp + total * gs).sum().backward()
    (ga, gb), (first, second) = seen[0]
    close(first, gp)
    close(second, gs)
    close(ga, gp * b * 2 + gs)
    close(gb, gp * a * 2 + gs)
    close(a.grad, gb)
    close(b.grad, ga)
    assert len(seen) == 1


def test_inputs_that_need_no_gradient_are_none_to_the_hook():
    module, seen = Product(), []
    module.register_full_backward_hook(lambda *args: seen.append(args))
    a, b = random(3), random(3, requires_grad=False)
    product, total = module(a, b)
    product.sum().backward()                             # and of the second output nothing is used
    (_, (ga, gb), (g_product, g_total)), = seen
    close(ga, b)
    assert gb is None and g_total is None
    close(g_product, minidl.ones(3))


def test_the_hook_runs_also_where_no_input_needs_a_gradient():
    layer, seen = nn.Linear(3, 2), []
    layer.register_full_backward_hook(lambda *args: seen.append(args))
    gy = random(4, 2, requires_grad=False)
    layer(random(4, 3, requires_grad=False)).backward(gy)
    (_, grad_input, (grad_output,)), = seen
    assert grad_input == (None,)
    close(grad_output, gy)


def test_a_change_in_place_is_noticed_through_the_hooks():
    layer = nn.Linear(3, 2)
    layer.register_full_backward_hook(lambda *args: None)
    x = random(4, 3)
    y = layer(x).sum()
    with minidl.no_grad():
        x.add_(1)
    with pytest.raises(RuntimeError, match="add_ has changed it in place"):
        y.backward()


def test_under_no_grad_backward_hooks_do_nothing():
    layer = nn.Linear(3, 2)
    layer.register_full_backward_hook(lambda *args: pytest.fail("called"))
    with minidl.no_grad():
        assert not layer(random(1, 3)).requires_grad


def test_hooked_gradients_can_be_walked_again_and_differentiated():
    layer, calls = nn.Tanh(), []
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: calls.append(grad_input[0]))
    x = random(3)
    y = layer(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    close(x.grad, 2 * (1 - x.tanh() ** 2))
    assert len(calls) == 2
    x.grad = None
    y = layer(x).sum()
    y.backward(create_graph=True)
    gx, x.grad = x.grad, None
    gx.sum().backward()
    t = x.tanh()
    close(x.grad, -2 * t * (1 - t ** 2))                 # tanh'' = -2 tanh (1 - tanh^2)


def test_answers_of_the_wrong_length_and_outputs_of_the_wrong_kind_are_errors():
    layer = nn.Linear(3, 2)
    layer.register_full_backward_hook(lambda *args: (None, None))
    with pytest.raises(ValueError, match="a backward hook of Linear answered with 2 gradients for 1"):
        layer(random(1, 3)).sum().backward()

    class Dict(nn.Module):
        def forward(self, x):
            return {"y": x}

    module = Dict()
    module.register_full_backward_hook(lambda *args: None)
    with pytest.raises(TypeError, match="Dict has backward hooks, so its output should be .* not dict"):
        module(random(1))


def test_a_hooked_graph_is_freed_without_the_garbage_collector():
    layer = nn.Linear(3, 2)
    layer.register_full_backward_hook(lambda *args: None)
    gc.disable()
    try:
        for walk in False, True:
            y = layer(random(4, 3))
            node = weakref.ref(y.op)
            if walk:
                y.sum().backward()
            del y
            assert node() is None
    finally:
        gc.enable()
