"""gradcheck_model proves whole networks, finds the layer that is wrong, and leaves no trace."""
import numpy as np
import pytest

import minidl
from minidl import nn, ops
from minidl.gradcheck import GradcheckError, gradcheck_model

n = np.random.default_rng(0).standard_normal
X, LABELS = n((5, 2, 6, 6)), np.array([0, 3, 1, 2, 1])


def network():
    minidl.manual_seed(1)
    return nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(36, 4))


def state(model):
    return {name: (x.dtype, x.array.tobytes(), id(x)) for name, x in model.state_dict(keep_vars=True).items()}


def test_every_parameter_and_the_input_have_a_verdict():
    report = gradcheck_model(network(), (X, LABELS))
    assert report.passed
    assert [c.input.split()[0] for c in report.checks] == [
        "0.weight", "0.bias", "1.weight", "1.bias", "6.weight", "6.bias", "the"]


def test_a_bias_that_batch_norm_takes_away_has_a_gradient_of_zero():
    verdicts = {c.input: c.verdict for c in gradcheck_model(network(), (X, LABELS)).checks}
    assert verdicts["0.bias (4,)"] == "zero" and verdicts["0.weight (4, 2, 3, 3)"] == "pass"


def test_without_labels_the_output_is_checked_under_a_random_cotangent():
    assert gradcheck_model(network(), X).passed


def test_a_network_passes_to_second_order():
    assert gradcheck_model(network(), (X, LABELS), order=2).passed


def test_float_labels_mean_squares_and_a_loss_can_be_given():
    model = nn.Linear(6, 3)
    assert gradcheck_model(model, (n((4, 6)), n((4, 3)))).passed
    seen = []
    assert gradcheck_model(model, (n((4, 6)), LABELS[:4]),
                           loss=lambda output, labels: seen.append(labels.dtype.kind) or (output ** 2).sum()).passed
    assert set(seen) == {"i"}


def test_integer_inputs_are_not_checked_but_the_parameters_are():
    model = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(6, 2))
    report = gradcheck_model(model, np.array([[0, 4], [2, 2]]))
    assert [c.input for c in report.checks] == ["0.weight (5, 3)", "2.weight (2, 6)", "2.bias (2,)"]


def test_a_shared_parameter_is_moved_in_both_places():
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    vars(model[2])["weight"] = model[0].weight
    report = gradcheck_model(model, n((4, 3)))
    assert [c.input for c in report.checks] == ["0.weight (3, 3)", "0.bias (3,)", "2.bias (3,)", "the input (4, 3)"]


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was_to_the_last_bit(training):
    model = network().train(training)
    model(minidl.tensor(X, dtype=minidl.float32))                  # running statistics that are not the first ones
    before, position = state(model), minidl.get_rng_state()
    gradcheck_model(model, (X, LABELS))
    assert state(model) == before and minidl.get_rng_state() == position
    assert model.training is training and all(p.grad is None for p in model.parameters())


def test_the_model_is_left_as_it_was_when_the_check_fails(monkeypatch):
    model = network()
    before, position = state(model), minidl.get_rng_state()
    monkeypatch.setattr(ops.activation.ReLU, "backward", lambda self, gy, y, x: gy)
    with pytest.raises(GradcheckError):
        gradcheck_model(model, (X, LABELS))
    assert state(model) == before and minidl.get_rng_state() == position


def test_a_wrong_layer_is_found_from_the_parameters_below_it(monkeypatch):
    def forgets_the_batch(self, k, gy, x, w, b):
        gx, gw, gb = k.batch_norm_gradient(gy, x, w, self.batch_mean, self.inv_std)
        return gy * (w * self.inv_std).reshape(-1, 1, 1), gw, gb    # mean and variance taken for constants
    monkeypatch.setattr(ops.normalization.BatchNorm, "gradient", forgets_the_batch)
    with pytest.raises(GradcheckError, match=r"the gradient of 0.weight \(4, 2, 3, 3\) is wrong"):
        gradcheck_model(network(), (X, LABELS))


def test_a_network_trained_until_its_loss_is_tiny_still_passes():
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 4))
    x = n((5, 6))
    for _ in range(300):
        model.zero_grad()
        ops.cross_entropy(model(minidl.tensor(x, dtype=minidl.float32)), minidl.tensor(LABELS)).backward()
        with minidl.no_grad():
            for p in model.parameters():
                p.sub_(p.grad * 2)
    report = gradcheck_model(model, (x, LABELS))
    assert {c.input: c.verdict for c in report.checks}["0.bias (8,)"] == "zero"


def test_a_model_without_anything_to_check_is_an_error():
    with pytest.raises(ValueError, match="Flatten has no parameters that require a gradient"):
        gradcheck_model(nn.Flatten(), np.arange(6).reshape(2, 3))
