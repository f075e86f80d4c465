"""gradcheck of functions and networks on the GPU: it passes what is right, and finds what is wrong only there."""
import numpy as np
import pytest

import minidl
from minidl import Op, nn, ops
from minidl.gradcheck import GradcheckError, gradcheck, gradcheck_model

n = np.random.default_rng(0).standard_normal


@pytest.fixture
def on(gpu):
    """Makes tensors on the GPU."""
    return lambda x, **settings: minidl.tensor(x, device="cuda", **settings)


class WrongOnTheGPU(Op):
    """y = x^2, with a rule that forgets a factor where the numbers are on a GPU."""
    reads = "x"

    def forward(self, k, x):
        return x * x

    def backward(self, gy, y, x):
        return gy * x * (2 if minidl.Tensor(x).device == "cpu" else 1)


@pytest.mark.parametrize("mode", ["directional", "sampled", "full"])
def test_a_right_gradient_passes(on, mode):
    def f(a, b):
        assert a.device == b.device == "cuda"
        return ops.tanh(a * b) + a / (b * b + 1)
    report = gradcheck(f, on(n((2, 3))), on(n(3)), mode=mode, order=2)
    assert report.passed and report.worst < 0.1


def test_the_report_is_the_cpus(on):
    def f(x, w):
        return ops.tanh(x @ w)
    a, b = n((3, 4)), n((4, 2))
    here, there = gradcheck(f, a, b, order=2), gradcheck(f, on(a), on(b), order=2)
    assert [c.input for c in here.checks] == [c.input for c in there.checks]
    np.testing.assert_allclose([c.backprop for c in there.checks], [c.backprop for c in here.checks], rtol=1e-10)
    np.testing.assert_allclose([c.numeric for c in there.checks], [c.numeric for c in here.checks], rtol=1e-6, atol=1e-8)


def test_an_array_of_the_gpu_a_fixed_cotangent_and_integers_are_taken(gpu, on):
    x = gpu.asarray(n((4, 2)).astype("float32"))                     # checked in float64
    g = n((3, 2))
    gradcheck(lambda x, index: x[index] ** 2, x, np.array([0, 3, 3]), cotangent=on(g))
    gradcheck(lambda x, index: x[index] ** 2, on(n((4, 2))), on([0, 3, 3]), cotangent=g)


def test_a_gradient_that_is_wrong_only_on_the_gpu_is_found_there(on):
    x = n((3, 4))
    gradcheck(lambda x: WrongOnTheGPU()(x), x)
    with pytest.raises(GradcheckError, match="half of what it should be"):
        gradcheck(lambda x: WrongOnTheGPU()(x), on(x))


def test_a_function_that_changes_its_input_is_found(on):
    def meddles(x):
        y = x * x
        x.array[0] = 0
        return y
    with pytest.raises(GradcheckError, match="input 0 .* was changed"):
        gradcheck(meddles, on(n(3)))


def small_net():
    minidl.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
                         nn.Dropout(0.3), nn.Linear(12, 4))


def test_a_network_on_the_gpu_passes_and_is_left_as_it_was(on):
    model = small_net().to("cuda")
    before = {name: x.cpu().numpy().copy() for name, x in model.state_dict().items()}
    report = gradcheck_model(model, (on(n((3, 2, 4, 4))), on([0, 3, 1])), order=2)
    assert report.passed and {c.order for c in report.checks} == {1, 2}
    for name, x in model.state_dict().items():
        assert x.device == "cuda" and np.array_equal(x.cpu().numpy(), before[name])


def test_a_network_with_a_wrong_rule_on_the_gpu_fails(on):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            return WrongOnTheGPU()(self.fc(x))
    model, batch = Net(), (n((3, 4)), np.array([0, 2, 1]))
    gradcheck_model(model, batch)
    with pytest.raises(GradcheckError, match="fc.weight .* is wrong"):
        gradcheck_model(model.to("cuda"), [on(x) for x in batch])
