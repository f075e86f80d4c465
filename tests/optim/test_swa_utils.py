"""Averages of a model's weights."""
import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.optim.swa_utils import AveragedModel


def test_the_average_weighs_the_past_by_powers_of_the_decay():
    model = nn.Linear(1, 1, bias=False)
    average = AveragedModel(model, decay=0.5)
    for value in 8.0, 4.0, 2.0:
        nn.init.constant_(model.weight, value)
        average.update_parameters(model)
    assert average.module.weight.item() == 0.25 * 8 + 0.25 * 4 + 0.5 * 2
    assert average.n_averaged.item() == 3 and model.weight.item() == 2


def test_buffers_are_the_models_latest_and_the_average_computes_by_itself():
    model = nn.BatchNorm1d(2)
    average = AveragedModel(model)
    model(minidl.randn(4, 2) + 3)
    average.update_parameters(model)
    np.testing.assert_array_equal(average.module.running_mean.numpy(), model.running_mean.numpy())
    assert average.module.num_batches_tracked.item() == 1
    model(minidl.randn(4, 2))
    assert average.module.running_mean is not model.running_mean
    assert average.eval()(minidl.zeros(1, 2)).shape == (1, 2)


def test_an_average_continues_from_its_state_dict():
    model = nn.Linear(2, 2)
    average, again = AveragedModel(model, 0.9), AveragedModel(model, 0.9)
    average.update_parameters(model)
    assert list(average.state_dict()) == ["n_averaged", "module.weight", "module.bias"]
    again.load_state_dict(average.state_dict())
    nn.init.ones_(model.weight)
    average.update_parameters(model), again.update_parameters(model)
    weights = [model.module.weight.detach().numpy() for model in (average, again)]
    np.testing.assert_array_equal(*weights)


def test_the_change_is_counted_as_one_in_place():
    model = nn.Linear(2, 2)
    average = AveragedModel(model)
    y = average(minidl.ones(1, 2, requires_grad=True)).sum()
    average.update_parameters(model)
    with pytest.raises(RuntimeError, match="update_parameters has changed it in place"):
        y.backward()


@pytest.mark.parametrize("other", [nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), nn.Linear(2, 2, bias=False)])
def test_another_architecture_is_refused(other):
    with pytest.raises(ValueError, match="this .* has other parameters than the model that was copied"):
        AveragedModel(nn.Linear(2, 2)).update_parameters(other)


def test_decays_of_zero_and_one_are_the_last_and_the_first():
    for decay, wanted in (0, 3.0), (1, 1.0):
        model = nn.Linear(1, 1, bias=False)
        average = AveragedModel(model, decay)
        for value in 1.0, 2.0, 3.0:
            nn.init.constant_(model.weight, value)
            average.update_parameters(model)
        assert average.module.weight.item() == wanted


def test_a_decay_beyond_one_is_refused():
    with pytest.raises(ValueError, match="AveragedModel: decay is a number from 0 to 1, not 1.1"):
        AveragedModel(nn.Linear(1, 1), 1.1)
