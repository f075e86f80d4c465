"""Which boxes a network is drawn as, how they are joined, and what is folded."""
import pytest
from networks import DEEPEST

import architectures
import minidl
from minidl import nn
from minidl.drawing import draw
from minidl.drawing.plan import plan
from minidl.drawing.trace import trace
from minidl.nn import functional as F
from minidl.summary import summary, times

DRAWN = [name for name in architectures.MODELS if name not in DEEPEST]


def plan_of(name):
    with minidl.device("meta"):
        return plan(trace(architectures.build(name), architectures.MODELS[name].input_shape))


def boxes(graph):
    """What the boxes say, in order, without the ends."""
    return [" ".join(filter(None, [node.label, str(node.channels or ""), *node.then, f"×{node.times}" * (node.times > 1)]))
            for node in graph.nodes if node.kind != "end"]


def joined(graph):
    """The wires, as pairs of numbers of nodes."""
    number = {node: i for i, node in enumerate(graph.nodes)}
    return sorted([(number[a], number[b]) for a, b in graph.edges])


def test_lenet5_has_the_layers_of_its_figure():
    """LeCun et al. 1998, figure 2."""
    main = plan_of("lenet5").main
    assert boxes(main) == ["conv 5x5 6 Tanh", "mean pool 2x2 /2", "conv 5x5 16 Tanh", "mean pool 2x2 /2",
                           "conv 5x5 120 Tanh", "linear 84 Tanh", "linear 10"]
    assert [times(node.shape) for node in main.nodes[1:]] == [
        "6x28x28", "6x14x14", "16x10x10", "16x5x5", "120x1x1", "84", "10"]
    assert joined(main) == [(i, i + 1) for i in range(7)]


def test_the_convolutions_of_vgg16_are_folded_as_its_table_has_them():
    """Simonyan & Zisserman 2014, table 1, column D."""
    assert boxes(plan_of("vgg16").main) == [
        "conv 3x3 64 ReLU ×2", "max pool 2x2 /2", "conv 3x3 128 ReLU ×2", "max pool 2x2 /2", "conv 3x3 256 ReLU ×3",
        "max pool 2x2 /2", "conv 3x3 512 ReLU ×3", "max pool 2x2 /2", "conv 3x3 512 ReLU ×3", "max pool 2x2 /2",
        "linear 4096 ReLU dropout ×2", "linear 1000"]


@pytest.mark.parametrize("name, blocks", [
    ("resnet50", (3, 4, 6, 3)), ("resnet101", (3, 4, 23, 3)), ("resnet34", (3, 4, 6, 3)), ("resnet20", (3, 3, 3))])
def test_the_blocks_of_residual_networks_are_folded_and_all_there(name, blocks):
    """He et al. 2015, table 1 and section 4.2."""
    main = plan_of(name).main
    stages = {}
    for node in main.nodes:
        if node.block is not None:
            stages.setdefault(node.shape[1:], []).append(node.times)
    assert tuple(sum(counts) for counts in stages.values()) == blocks
    assert all([len(counts) <= 2 for counts in stages.values()])


def test_a_bottleneck_is_its_figure():
    """He et al. 2015, figure 5, right: 1x1, 3x3, 1x1, and what came in is added."""
    figure = plan_of("resnet50").figures[1]
    assert figure.name == "Bottleneck b"
    assert boxes(figure) == ["conv 1x1 batch norm ReLU", "conv 3x3 batch norm ReLU", "conv 1x1 batch norm", "+ ReLU"]
    assert [node.kind for node in (figure.nodes[0], figure.nodes[-1])] == ["end", "end"]
    assert joined(figure) == [(0, 1), (0, 4), (1, 2), (2, 3), (3, 4), (4, 5)]


def test_a_figure_has_the_channels_only_where_all_its_uses_have_the_same():
    figures = {figure.name: boxes(figure) for figure in plan_of("resnet50").figures}
    assert figures["Bottleneck a"][0] == "conv 1x1 64 batch norm ReLU"         # once, in the first stage
    assert figures["Bottleneck c"][0] == "conv 1x1 /2 batch norm ReLU"         # in three stages


def layers_in(graph):
    """How many convolutions and full layers the graph stands for."""
    return sum([node.times * (layers_in(node.block) if node.block is not None else
                              node.label.startswith(("conv ", "depthwise ", "up-conv ", "linear"))) for node in graph.nodes])


@pytest.mark.parametrize("name", DRAWN)
def test_every_layer_that_the_summary_has_is_drawn(name):
    with minidl.device("meta"):
        rows = summary(architectures.build(name), architectures.MODELS[name].input_shape).rows
    assert layers_in(plan_of(name).main) == len([row for row in rows if row.kind in ("Conv2d", "ConvTranspose2d", "Linear")])


class Net(nn.Module):
    """A module made of a function of it and an image."""

    def __init__(self, forward, **layers):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.function = forward

    def forward(self, *xs):
        return self.function(self, *xs)


def conv(a, b, **options):
    return nn.Conv2d(a, b, 3, padding=1, **options)


def main_of(net, shape=(4, 8, 8)):
    return plan(trace(net, shape)).main


def test_a_result_that_somebody_else_reads_has_a_box_of_its_own():
    def forward(self, x):
        y = self.conv(x)
        return F.relu(y) * y
    main = main_of(Net(forward, conv=conv(4, 4)))
    assert boxes(main) == ["conv 3x3 4", "ReLU", "×"] and joined(main) == [(0, 1), (1, 2), (1, 3), (2, 3)]


def test_equal_layers_are_not_folded_where_their_results_go_elsewhere_too():
    def forward(self, x):
        y = self.a(x)
        return self.b(y) + y
    assert boxes(main_of(Net(forward, a=conv(4, 4), b=conv(4, 4)))) == ["conv 3x3 4", "conv 3x3 4", "+"]


@pytest.mark.parametrize("layers", [
    (conv(4, 6), conv(6, 8)), (conv(4, 4), conv(4, 4, groups=2)), (conv(4, 4), conv(4, 4, groups=4)),
    (nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)), (conv(4, 4), nn.Conv2d(4, 4, 5, padding=2)),
    (conv(4, 4), conv(4, 4, stride=2)), (conv(4, 4), conv(4, 4, dilation=2))])
def test_layers_that_differ_are_not_folded(layers):
    assert len(boxes(main_of(nn.Sequential(*layers)))) == 2


def test_a_sum_of_three_is_one_box():
    def forward(self, x):
        return F.relu(self.a(x) + self.b(x) + x)
    main = main_of(Net(forward, a=conv(4, 4), b=nn.Conv2d(4, 4, 1)))
    assert boxes(main) == ["conv 3x3 4", "conv 1x1 4", "+ ReLU"]
    assert joined(main) == [(0, 1), (0, 2), (0, 3), (1, 3), (2, 3)]


def test_blocks_that_read_all_earlier_ones_are_folded():
    def layer(self, xs):
        return F.relu(self.norm(self.conv(minidl.cat(xs, 1))))

    def forward(self, x):
        xs = [x]
        for i in range(5):
            xs.append(getattr(self, f"layer{i}")(xs))
        return minidl.cat(xs, 1)
    layers = {f"layer{i}": Net(layer, conv=conv(4 + 2 * i, 2), norm=nn.BatchNorm2d(2)) for i in range(5)}
    result = plan(trace(Net(forward, **layers), (4, 8, 8)))
    assert boxes(result.main) == ["Net ×5", "concatenate"] and joined(result.main) == [(0, 1), (0, 2), (1, 2)]
    assert [boxes(figure) for figure in result.figures] == [["concatenate", "conv 3x3 2 batch norm ReLU"]]


def test_a_layer_and_a_concatenation_in_turns_are_folded():
    """As a dense block is written where every layer reads the concatenation of all before."""
    def layer(self, x):
        return self.b(F.relu(self.a(x)))

    def forward(self, x):
        for i in range(5):
            x = minidl.cat([x, getattr(self, f"layer{i}")(x)], 1)
        return self.last(x)
    layers = {f"layer{i}": Net(layer, a=conv(4 + 2 * i, 8), b=conv(8, 2)) for i in range(5)}
    result = plan(trace(Net(forward, **layers, last=conv(14, 3)), (4, 8, 8)))
    assert boxes(result.main) == ["Net, concatenate ×5", "conv 3x3 3"] and joined(result.main) == [(0, 1), (1, 2)]
    assert result.main.nodes[1].shape == (14, 8, 8) and result.main.nodes[1].widths == (8, 2)
    assert [(boxes(figure), joined(figure)) for figure in result.figures] == [
        (["Net", "concatenate"], [(0, 1), (0, 2), (1, 2), (2, 3)]),
        (["conv 3x3 8 ReLU", "conv 3x3 2"], [(0, 1), (1, 2), (2, 3)])]


def test_a_block_says_the_channels_of_all_its_layers():
    def forward(self, x):
        return self.last(F.relu(self.b(F.relu(self.a(x)))))
    block = lambda n, last: Net(forward, a=conv(n, n), b=conv(n, n), last=last)
    net = nn.Sequential(block(4, block(4, conv(4, 7))), nn.MaxPool2d(2), block(7, block(7, conv(7, 9))))
    result = plan(trace(net, (4, 8, 8)))
    assert [node.widths for node in result.main.nodes if node.block is not None] == [(4, 4, 4, 4, 7), (7, 7, 7, 7, 9)]
    outer, inner = result.figures
    assert not any([node.widths or node.channels for node in [*outer.nodes, *inner.nodes]])     # they differ


def test_turns_whose_inner_results_are_read_later_are_not_folded():
    def forward(self, x):
        kept = []
        for conv in (self.a, self.b, self.c):
            kept.append(conv(x))
            x = F.max_pool2d(kept[-1], 3, 1, 1)
        return minidl.cat([*kept, x], 1)
    net = Net(forward, a=conv(4, 4), b=conv(4, 4), c=conv(4, 4))
    assert boxes(main_of(net)) == ["conv 3x3 4", "max pool 3x3"] * 3 + ["concatenate"]


def test_each_argument_of_a_block_is_an_end_of_its_own():
    def cell(self, x, y):
        return F.relu(self.a(x)) + F.max_pool2d(y, 3, 1, 1)

    def forward(self, x):
        return self.cell(x, self.stem(x))
    result = plan(trace(Net(forward, stem=conv(4, 4), cell=Net(cell, a=conv(4, 4))), (4, 8, 8)))
    figure, = result.figures
    assert [node.label for node in figure.nodes] == ["in 1", "in 2", "conv 3x3", "max pool 3x3", "+", "out"]
    assert joined(figure) == [(0, 2), (1, 3), (2, 4), (3, 4), (4, 5)]


def test_a_block_of_one_box_is_drawn_as_that_box_and_containers_are_looked_into():
    block = lambda: Net(lambda self, x: F.silu(self.norm(self.conv(x))), conv=conv(4, 4), norm=nn.BatchNorm2d(4))
    result = plan(trace(nn.Sequential(nn.Sequential(block(), block()), nn.Identity(), nn.Sequential(block())), (4, 8, 8)))
    assert boxes(result.main) == ["conv 3x3 4 batch norm SiLU ×3"] and not result.figures


def test_a_crop_and_a_gate_are_called_so_and_what_only_reshapes_is_not_drawn():
    def forward(self, x):
        gate = minidl.sigmoid(self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1)))
        return (x * gate[:, :, None, None])[:, :, 2:-2, 2:-2]
    assert boxes(main_of(Net(forward, fc=nn.Linear(4, 4)))) == ["mean of all pixels", "linear 4 Sigmoid", "×", "crop"]


def test_the_network_is_as_it_was_before():
    net = nn.Sequential(conv(4, 4), nn.BatchNorm2d(4), nn.Dropout())
    before = {key: x.numpy().copy() for key, x in net.state_dict().items()}
    draw(net, (4, 8, 8))
    assert all([(x.numpy() == before[key]).all() for key, x in net.state_dict().items()]) and net.training
    with pytest.raises(ValueError, match="channels"):
        draw(net, (3, 8, 8))
    assert not any([module._forward_hooks or module._forward_pre_hooks for module in net.modules()])
