"""FractalNets: columns, joins, drop-path and first weights."""
import math

import numpy as np
import pytest
from networks import backward, layers_with_weights, on_shapes, shapes_of

import minidl
from architectures import build
from architectures.fractalnet import Block, Fractal, FractalNet, Join
from minidl import nn
from minidl.gradcheck import gradcheck_model

NONE = 0.0, 0.0                                             # the dropout of two blocks


class Double(nn.Module):
    def forward(self, x):
        return 2 * x


def doubling(columns, drop_path=0.0):
    """f_C of units that double."""
    fractal = Fractal(columns, 1, 1, drop_path=drop_path)
    for part in list(fractal.modules()):
        if isinstance(part, Fractal):
            part.unit = Double()
    return fractal


def column_of(columns, kept):
    return minidl.tensor([i == kept for i in range(columns)])


def parameters_of_column(column, columns, block):
    """The units of a column of f_C by their names, from equation 1: one if it is the first, else those of two f_{C-1}."""
    if column == 0:
        return [block + "unit."]
    return [unit for half in ("first.", "second.") for unit in parameters_of_column(column - 1, columns - 1, block + half)]


@pytest.mark.parametrize("name, convolutions", [("fractalnet20", 35), ("fractalnet40", 75)])
def test_the_blocks_have_the_published_shapes(name, convolutions):
    """The widths of the authors' generator; each block is 2^C - 1 convolutions, and halves the image."""
    model, image = on_shapes(name)
    unit_shapes = []
    for block in model.blocks:
        block.fractal.unit.register_forward_hook(lambda layer, args, y: unit_shapes.append(y.shape[1:]))
    assert [shape for _, shape in shapes_of(model, image)] == [(10,)]
    assert unit_shapes == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)]
    assert len(layers_with_weights(model)) == convolutions + 1


def test_the_columns_are_those_of_the_expansion_rule():
    """Equation 1 with units that double, joins being means: f_2(z) = (4z, 2z), whose mean is 3z, and so on by hand."""
    one = minidl.ones(1, 1, 1, 1)
    assert [y.item() for y in doubling(1)(one, None)] == [2]
    assert [y.item() for y in doubling(2).eval()(one, None)] == [2, 4]
    assert [y.item() for y in doubling(3).eval()(one, None)] == [2, 6, 12]


@pytest.mark.parametrize("columns", [3, 4])
def test_a_column_alone_is_a_chain_of_1_2_4_and_so_on_units(columns):
    one = minidl.ones(1, 1, 1, 1)
    for i in range(columns):
        y = Join(0.5)(doubling(columns, 0.5)(one, column_of(columns, i)), column_of(columns, i))
        assert y.item() == 2 ** (2 ** i)


def test_each_column_is_pooled_before_the_last_join_of_its_block():
    block = Block(2, 3, 4).eval()
    x = minidl.randn(1, 3, 6, 6)
    paths = [y.detach().numpy() for y in block.fractal(x, None)]
    pooled = [y.reshape(1, 4, 3, 2, 3, 2).max((3, 5)) for y in paths]
    np.testing.assert_allclose(block(x, None).detach().numpy(), np.mean(pooled, 0), rtol=1e-6)
    assert not np.allclose(np.mean(pooled, 0), np.mean(paths, 0).reshape(1, 4, 3, 2, 3, 2).max((3, 5)))


def kept(join, paths, column):
    """Which paths a join keeps, and the shares that they have."""
    units = [minidl.tensor([1.0 if i == j else 0.0 for j in range(paths)]) for i in range(paths)]
    return join(units, column).numpy()


def test_a_join_drops_each_path_with_the_probability_it_is_told():
    """And takes the mean of the others; that all three are to be dropped happens once in 300 times."""
    none = minidl.tensor([False] * 3)
    shares = np.array([kept(Join(0.15), 3, none) for _ in range(4000)])
    assert np.allclose(shares.sum(1), 1)
    np.testing.assert_allclose(np.unique(shares), [0, 1 / 3, 1 / 2, 1], rtol=1e-6)
    np.testing.assert_allclose((shares > 0).mean(0), 0.85 + 0.15 ** 3 / 3, atol=0.02)


def test_a_join_that_would_drop_all_keeps_one_and_any():
    shares = np.array([kept(Join(1.0), 3, minidl.tensor([False] * 3)) for _ in range(600)])
    assert set(np.unique(shares)) == {0, 1} and (shares.sum(1) == 1).all()
    np.testing.assert_allclose(shares.mean(0), 1 / 3, atol=0.06)


def test_a_join_keeps_the_column_that_is_drawn_if_it_ends_there():
    """Two columns of three end in the middle of a block; the first does not, and what they do is not looked at."""
    assert list(kept(Join(1.0), 3, column_of(3, 0))) == [1, 0, 0]
    assert list(kept(Join(1.0), 2, column_of(3, 2))) == [0, 1]
    assert kept(Join(0.0), 2, column_of(3, 0)).tolist() == [0.5, 0.5]


def test_nothing_is_dropped_and_nothing_drawn_in_eval():
    model = FractalNet(3, (4, 6), (0.2, 0.2), drop_path=0.5).eval()
    x, before = minidl.randn(2, 3, 4, 4), minidl.get_rng_state()
    np.testing.assert_array_equal(model(x).detach().numpy(), model(x).detach().numpy())
    assert minidl.get_rng_state() == before
    np.testing.assert_allclose(kept(Join(0.5).eval(), 3, None), 1 / 3)


def trained_units(model):
    """The units that get a gradient from a batch."""
    model.zero_grad()
    backward(model, minidl.randn(2, 3, 4, 4), minidl.tensor([0, 1]))
    return {name for name, p in model.named_parameters() if name.endswith("conv.weight") and p.grad.numpy().any()}


def test_global_drop_path_trains_one_column_of_the_whole_network_for_a_batch():
    """Section 3.1: a single column."""
    model = FractalNet(3, (4, 6), NONE, drop_path=0.5, global_drop_path=1.0)
    columns = [{f"{unit}conv.weight" for block in range(2)
                for unit in parameters_of_column(i, 3, f"blocks.{block}.fractal.")} for i in range(3)]
    assert [len(units) for units in columns] == [2, 4, 8]
    seen = [columns.index(trained_units(model)) for _ in range(40)]
    assert set(seen) == {0, 1, 2}


def test_local_and_global_drop_path_take_turns():
    """Without dropped paths, a batch that is not for a column trains all units."""
    model = FractalNet(3, (4, 6), NONE, drop_path=0.0, global_drop_path=0.5)
    alone = [len(trained_units(model)) < 14 for _ in range(60)]
    assert 15 < sum(alone) < 45


def test_gradients_are_right_with_paths_dropped():
    model, rng = FractalNet(3, (4, 6), (0.0, 0.2), 5, drop_path=0.5, global_drop_path=0.0), np.random.default_rng(0)
    for seed in range(3):
        assert gradcheck_model(model, (rng.standard_normal((3, 3, 4, 4)), rng.integers(0, 5, 3)), seed=seed).passed


def test_the_seed_decides_which_paths_are_dropped():
    model, x = FractalNet(3, (4, 6), NONE), minidl.randn(4, 3, 4, 4)

    def scores(seed):
        minidl.manual_seed(seed)
        return model(x).detach().numpy().tolist()

    assert scores(1) == scores(1) and len({str(scores(seed)) for seed in range(8)}) > 4


def test_the_rates_of_dropout_are_those_of_the_paper():
    rates = [[layer.p for layer in block.modules() if isinstance(layer, nn.Dropout)]
             for block in on_shapes("fractalnet20")[0].blocks]
    assert rates == [[p] * 7 for p in (0.0, 0.1, 0.2, 0.3, 0.4)]


def test_weights_start_uniform_with_variance_1_by_fan_in():
    """Caffe's "xavier": up to sqrt(3 / fan-in)."""
    for _, layer in layers_with_weights(FractalNet(2, (32, 64), NONE, 50)):
        bound = math.sqrt(3 / layer.weight[0].numel())
        assert 0.95 * bound < np.abs(layer.weight.array).max() <= bound * (1 + 1e-6)
        assert math.isclose(layer.weight.array.std(), bound / math.sqrt(3), rel_tol=0.1)


@pytest.mark.parametrize("shape, layer", [
    ((2, 3, 16, 16), "blocks.4"), ((2, 3, 64, 64), "fc"), ((2, 1, 32, 32), "blocks.0.fractal.unit.conv")])
def test_an_image_that_does_not_fit_is_a_sentence_that_names_the_layer(shape, layer):
    """Five poolings leave a pixel of 32x32, nothing of 16x16, and four pixels of 64x64."""
    model, _ = on_shapes("fractalnet20")
    with pytest.raises(ValueError, match="is smaller than the kernel|wants: 512|x has 1 channels in shape") as error:
        model(minidl.zeros(shape, device="meta"))
    assert error.value.__notes__ == [f"in {layer} of FractalNet"]


def test_rates_of_dropout_for_another_number_of_blocks_are_a_sentence():
    with pytest.raises(ValueError, match=r"FractalNet: dropout=\(0.1, 0.2\) are not rates for 5 blocks$"):
        build("fractalnet20", dropout=(0.1, 0.2))
