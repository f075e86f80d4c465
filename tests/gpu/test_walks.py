"""What goes along with a backward pass, on the GPU: hooks, retained gradients, steps, anomalies, Jacobians, recordings."""
import numpy as np
import pytest
from waiting import no_waiting

import minidl
from minidl import Op, nn, ops, trace
from minidl.autograd import AnomalyError, detect_anomaly, functional

n = np.random.default_rng(0).standard_normal


@pytest.fixture
def on(gpu):
    """Makes leaves on the GPU."""
    return lambda x, requires_grad=True: minidl.tensor(x, device="cuda", requires_grad=requires_grad)


def test_hooks_and_retained_gradients_are_on_the_gpu(on):
    x, seen = on([1.0, 2.0, 3.0]), []
    y = x * x
    y.retain_grad()
    y.register_hook(lambda g: seen.append(g) or g * 2)
    with no_waiting():
        (y * 5).sum().backward()
    assert {g.device for g in [*seen, y.grad, x.grad]} == {"cuda"}
    assert seen[0].tolist() == [5, 5, 5] and y.grad.tolist() == [10, 10, 10] and x.grad.tolist() == [20, 40, 60]


def test_gradients_that_meet_and_walks_that_follow_each_other_are_added_up(on):
    x = on([1.0, -2.0])
    with no_waiting():
        for _ in range(3):
            (x * x + x).sum().backward()
    assert x.grad.tolist() == [9, -9]


def test_a_leafs_gradient_is_memory_of_its_own(on):
    x, y = on([1.0, 2.0]), on([3.0, 4.0])
    (x + y).sum().backward()                            # one array arrives at both
    x.grad.zero_()
    assert y.grad.tolist() == [1, 1]


def test_a_walk_pauses_at_every_op(on):
    x = on(n((2, 3)))
    steps = [(type(step.op).__name__, step.gy.device, step.gxs[0].device) for step in minidl.backprop((x * x).tanh().sum())]
    assert steps == [("Sum", "cuda", "cuda"), ("Tanh", "cuda", "cuda"), ("Mul", "cuda", "cuda")]


def test_gradients_of_tensors_on_the_way_and_of_one_graph_walked_twice(on):
    x = on([1.0, 2.0])
    h = x * x
    y = (h * h).sum()
    with no_waiting():
        at_x, at_h = minidl.autograd.grad(y, [x, h], retain_graph=True)
        y.backward()
    assert (at_x.tolist(), at_h.tolist(), x.grad.tolist()) == ([4, 32], [2, 8], [4, 32])


def test_what_was_not_kept_can_be_computed_again(on):
    class Again(Op):
        """tanh(x^2), of which only x is kept: the rule computes the rest again."""
        reads = "x"

        def forward(self, k, x):
            return k.tanh(x * x)

        def backward(self, gy, y, x):
            x = minidl.Tensor(x, requires_grad=True)
            with minidl.enable_grad():
                y = (x * x).tanh()
            return minidl.autograd.grad(y, x, minidl.Tensor(gy))[0].array
    numbers = n(5)
    x = on(numbers)
    with no_waiting():
        Again()(x).sum().backward()
    assert x.grad.device == "cuda"
    np.testing.assert_allclose(x.grad.cpu().numpy(), (1 - np.tanh(numbers ** 2) ** 2) * 2 * numbers, rtol=1e-12)


def test_hooks_of_modules_see_the_gpu(on):
    model, seen = nn.Sequential(nn.Linear(3, 4), nn.Tanh()).to("cuda"), []
    model[0].register_forward_hook(lambda module, args, y: seen.append(y))
    model[0].register_full_backward_hook(lambda module, grad_input, grad_output: seen.append(grad_output[0]))
    model(on(n((2, 3)).astype("float32"))).sum().backward()
    assert [(x.device, x.shape) for x in seen] == [("cuda", (2, 4))] * 2


@pytest.mark.parametrize("how", ["forward", "backward"])
def test_anomaly_mode_names_the_op(on, how):
    x = on([4.0, -1.0, 0.0])
    with pytest.raises(AnomalyError) as caught, detect_anomaly():
        if how == "forward":
            x.sqrt()
        else:
            ops.abs(x).sqrt().sum().backward()
    wanted = {"forward": "Sqrt().* of its output, 1 of 3 values, shape (3,), are NaN, the first at (1,); "
                         "made from x (3,) float32 in [-1, 4]",
              "backward": "Sqrt().* of the gradient of its input x, 1 of 3 values, shape (3,), are Inf, the first at (2,)"}
    start, rest = wanted[how].split(".*")
    assert str(caught.value).startswith(start) and rest.strip() in str(caught.value)


@pytest.mark.parametrize("product", ["vjp", "jvp", "hvp", "vhp", "jacobian", "hessian"])
def test_products_with_jacobians_are_the_cpus(on, product):
    def f(x):
        return (x.tanh() * x).sum() if product in ("hvp", "vhp", "hessian") else x.tanh() * x[:1]
    numbers, v = n(4), n(4)
    vs = [] if product in ("jacobian", "hessian") else [v]
    expected = getattr(functional, product)(f, minidl.tensor(numbers), *map(minidl.tensor, vs))
    got = getattr(functional, product)(f, on(numbers, False), *[on(v, False) for v in vs])
    for a, b in zip(*[x if isinstance(x, tuple) else (x,) for x in (got, expected)], strict=True):
        assert a.device == "cuda"
        np.testing.assert_allclose(a.cpu().numpy(), b.numpy(), rtol=1e-12)


def test_the_profiler_counts_ops_and_bytes_on_the_gpu(on):
    x = on(n(100))
    with minidl.profile() as p:
        (x * x).exp().sum().backward()
    rows = {row.name: row for row in p.rows()}
    assert {name: (row.calls, row.output) for name, row in rows.items()} == {
        "Mul": (1, 800), "Exp": (1, 800), "Sum": (1, 8)}
    assert rows["Exp"].kept == 800 and all(row.forward > 0 and row.backward > 0 for row in p.rows())


@pytest.mark.parametrize("what", ["forward", "backward"])
def test_the_profiler_waits_for_what_it_times(on, what):
    import cupyx
    x = on(n(3))
    y = x.exp().sum()
    with pytest.raises(cupyx.DeviceSynchronized), no_waiting(), minidl.profile():
        x.exp() if what == "forward" else y.backward()


def test_a_recording_on_the_gpu_says_where_it_can_be_made(on):
    model = nn.Linear(3, 2).to("cuda")
    with pytest.raises(TypeError, match=r"numbers of the CPU, and an array of shape \(2, 3\) is on cuda.* model.cpu\(\)"):
        trace.record(model, n((4, 3)))
