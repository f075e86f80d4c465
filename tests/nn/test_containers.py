"""Sequential, ModuleList, ModuleDict, ParameterList."""
import pytest

import minidl
from minidl import nn


def relus(n):
    return [nn.LeakyReLU(i) for i in range(n)]


def slopes(modules):
    return [module.negative_slope for module in modules]


def test_a_sequential_hands_the_output_of_each_module_to_the_next():
    add, double = nn.Module(), nn.Module()
    add.forward, double.forward = lambda x: x + 1, lambda x: 2 * x
    assert nn.Sequential(add, double)(3) == 8
    assert nn.Sequential(double, add)(3) == 7
    assert nn.Sequential()(3) == 3


def test_a_sequential_of_a_dict_has_its_names():
    net = nn.Sequential({"conv": nn.Conv2d(1, 2, 3), "act": nn.ReLU()})
    assert list(net.state_dict()) == ["conv.weight", "conv.bias"]
    assert net.conv is net[0]


@pytest.mark.parametrize("make", [lambda items: nn.Sequential(*items), nn.ModuleList])
def test_modules_in_a_row_behave_like_a_list(make):
    items = relus(4)
    row = make(items)
    assert len(row) == 4 and list(row) == items and row[1] is items[1]
    assert row[-1] is items[3] and row[-4] is items[0]
    assert type(row[1:3]) is type(row) and slopes(row[1:3]) == [1, 2]
    assert row.append(nn.LeakyReLU(9)).extend(relus(1)) is row
    assert slopes(row) == [0, 1, 2, 3, 9, 0]
    del row[1]
    row.insert(0, nn.LeakyReLU(7))
    row[-1] = nn.LeakyReLU(8)
    assert slopes(row) == [7, 0, 2, 3, 9, 8]
    assert [name for name, _ in row.named_children()] == ["0", "1", "2", "3", "4", "5"]
    with pytest.raises(IndexError, match="holds 6 items; there is no item 6"):
        row[6]


def test_a_plain_list_is_not_looked_into_but_a_module_list_is():
    module = nn.Module()
    module.plain = [nn.Linear(1, 1)]
    assert list(module.parameters()) == []
    module.listed = nn.ModuleList(module.plain)
    assert [name for name, _ in module.named_parameters()] == ["listed.0.weight", "listed.0.bias"]


def test_a_module_dict_behaves_like_a_dict():
    table = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Linear(1, 1)})
    table["c"] = nn.Tanh()
    del table["a"]
    assert "b" in table and len(table) == 2 and list(table) == list(table.keys()) == ["b", "c"]
    assert [type(m).__name__ for m in table.values()] == ["Linear", "Tanh"]
    assert dict(table.items())["b"] is table["b"] and list(table.state_dict()) == ["b.weight", "b.bias"]
    with pytest.raises(KeyError, match="'keys' is the name of something else"):
        table["keys"] = nn.ReLU()


def test_a_parameter_list_makes_parameters_of_tensors():
    given = nn.Parameter(minidl.ones(3))
    row = nn.ParameterList([minidl.zeros(2), given])
    assert row[1] is given
    row.append(minidl.ones(1))
    assert [p.shape for p in row] == [(2,), (3,), (1,)]
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in row)
    assert list(row.state_dict()) == ["0", "1", "2"]
    assert repr(row) == "ParameterList((0): Parameter(2,), (1): Parameter(3,), (2): Parameter(1,))"


def test_something_that_is_no_module_is_refused():
    with pytest.raises(TypeError, match="Sequential: '0' should be a Module or None, not int"):
        nn.Sequential(3)
