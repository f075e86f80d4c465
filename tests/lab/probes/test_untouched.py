"""Probes leave gradients, buffers, random state, modes, hooks and results as they were, to the last bit."""
import inspect

import numpy as np
import pytest

import minidl
from minidl import nn, optim
from minidl.lab import probes
from tests.lab.probes.awkward import OF_A_MODEL, OF_AN_OBSERVATION, awkward, loss


def state_of(model):
    """Everything about a model that can be compared: the objects themselves, and their numbers."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return ([(name, id(x), id(x.array), x.array.tobytes(), x.requires_grad, x.version.count, id(x.grad),
              None if x.grad is None else x.grad.array.tobytes(), x.hooks and list(x.hooks.values()))
             for name, x in tensors],
            [(name, {key: id(value) for key, value in vars(module).items()}, module.training,
              [list(getattr(module, f"_{kind}_hooks").values())
               for kind in ("forward_pre", "forward", "backward_pre", "backward")])
             for name, module in model.named_modules()],
            minidl.get_rng_state(), minidl.is_grad_enabled())


def with_hooks(model):
    """The model, and a list that its hooks on gradients write to; its forward hook takes part in what it computes."""
    called = []
    model.stem.register_forward_hook(lambda module, args, y: y * 2)
    model.head.register_full_backward_hook(lambda module, gx, gy: called.append("module"))
    model.head.weight.register_hook(lambda g: called.append("tensor"))
    return model, called


@pytest.mark.parametrize("probe", OF_A_MODEL)
def test_a_probe_leaves_a_model_as_it_was(probe):
    model, x = awkward()
    model, called = with_hooks(model)
    before, given = state_of(model), x.array.tobytes()
    OF_A_MODEL[probe](model, x)
    assert state_of(model) == before
    assert x.array.tobytes() == given and x.grad is None
    assert not called


@pytest.mark.parametrize("probe", OF_A_MODEL)
def test_a_probe_leaves_a_model_as_it_was_when_the_model_raises(probe):
    """Deep inside, after batch norms have updated their averages and dropout has drawn."""
    model, x = awkward()
    model, called = with_hooks(model)

    def broken(module, args):
        raise ZeroDivisionError("in the head")

    model.head.register_forward_pre_hook(broken)
    before = state_of(model)
    with pytest.raises(ZeroDivisionError, match="in the head"):
        OF_A_MODEL[probe](model, x)
    assert state_of(model) == before


@pytest.mark.parametrize("probe", OF_A_MODEL)
def test_nan_in_the_weights_is_answered_with_a_sentence(probe):
    model, x = awkward()
    model.head.weight.array[0, 1] = np.nan
    with pytest.raises(ValueError, match="^1 of the 12 numbers in head.weight of Awkward are NaN"):
        OF_A_MODEL[probe](model, x)


@pytest.mark.parametrize("probe", OF_A_MODEL)
def test_a_graph_from_before_is_walked_after_a_probe_as_if_there_had_been_none(probe):
    gradients = []
    for look in (lambda model, x: None), OF_A_MODEL[probe]:
        minidl.manual_seed(1)
        model, x = awkward()
        model.zero_grad()
        y = loss(model(x))
        look(model, x)
        y.backward()
        gradients.append([p.grad.array for p in model.parameters() if p.grad is not None])
    for without, with_probe in zip(*gradients, strict=True):
        np.testing.assert_array_equal(without, with_probe)


def test_a_generator_of_a_modules_own_is_where_it_was():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.generator = nn.Linear(3, 3), minidl.Generator().manual_seed(5)

        def forward(self, x):
            return self.layer(x) + minidl.randn(3, generator=self.generator)

    model, x = Noisy(), minidl.randn(2, 3)
    before = model.generator.get_state()
    seen = OF_A_MODEL["observe"](model, x)
    assert model.generator.get_state() == before
    np.testing.assert_array_equal(seen.ys[0], model(x).detach().numpy())


def test_updates_leave_the_optimizer_and_the_parameters_as_they_were():
    model, x = awkward()
    model.block1.conv.weight.requires_grad_()
    optimizer = optim.Adam(model.parameters(), 0.01)
    optimizer.step()
    states = lambda: [(id(state), {name: np.array(value).tobytes() for name, value in state.items()})
                      for state in optimizer.state.values()]
    before, of_optimizer = state_of(model), states()
    probes.updates(model, optimizer, x, loss)
    assert state_of(model) == before and states() == of_optimizer

    def broken(*_, **__):
        raise ZeroDivisionError("in the update")

    optimizer.update = broken
    with pytest.raises(ZeroDivisionError):
        probes.updates(model, optimizer, x, loss)
    assert state_of(model) == before and states() == of_optimizer


@pytest.mark.parametrize("probe", OF_AN_OBSERVATION)
def test_a_probe_of_an_observation_changes_none_of_its_arrays(probe):
    model, x = awkward()
    seen = OF_A_MODEL["observe"](model, x)
    arrays = [seen.x, *[z for layer in seen.layers for z in (*layer.xs, layer.y, layer.gy)]]
    before = [z.tobytes() for z in arrays]
    OF_AN_OBSERVATION[probe](seen)
    assert [z.tobytes() for z in arrays] == before


def test_a_recording_in_a_training_loop_changes_no_bit_of_it():
    ends = []
    for watched in False, True:
        minidl.manual_seed(2)
        model, x = awkward()
        optimizer, history = optim.SGD(model.parameters(), 0.1, momentum=0.9), probes.GradientHistory()
        for step in range(3):
            optimizer.zero_grad()
            loss(model(x)).backward()
            if watched:
                history.add(step, probes.weight_norms(model))
                probes.activation_gradients(OF_A_MODEL["observe"](model, x))
            optimizer.step()
        ends.append([x.array.tobytes() for x in (*model.parameters(), *model.buffers())])
    assert ends[0] == ends[1]


def test_every_probe_is_in_these_lists():
    """So that none is forgotten here."""
    of_models = {name for name, probe in vars(probes).items() if inspect.isfunction(probe)
                 and {"model", "x"} & set(inspect.signature(probe).parameters)} - {"updates", "weight_norms"}
    assert of_models <= set(OF_A_MODEL)
    of_observations = {name for name, probe in vars(probes).items() if inspect.isfunction(probe)
                       and "seen" in inspect.signature(probe).parameters}
    assert of_observations == set(OF_AN_OBSERVATION)


def test_every_probe_says_what_it_costs():
    for name, probe in vars(probes).items():
        if inspect.isfunction(probe) and name not in ("spread", "weight_norms"):
            assert "Costs" in probe.__doc__ or "passes" in probe.__doc__, name
