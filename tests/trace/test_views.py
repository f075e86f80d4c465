"""Views show numbers that add up to what was recorded, and to what PyTorch and finite differences say."""
import numpy as np
import pytest

import minidl
from minidl import nn, ops, trace
from minidl.nn import functional as F
from minidl.trace import views
from minidl.trace.panel import Matrix, Panel, Table, lines_of
from minidl.trace.views.convolution import patch_of, touched_by
from minidl.trace.views.loss import row_of
from minidl.trace.views.normalization import three_paths
from minidl.trace.views.routes import jacobian_of, routes
from minidl.trace.views.sums import Fork

RNG = np.random.default_rng(0)


def matrices(panel, start):
    return [block.numbers for block in panel.blocks if isinstance(block, Matrix) and block.caption.startswith(start)]


def table(panel, i=0):
    return [block for block in panel.blocks if isinstance(block, Table)][i]


# ---- convolution


CONVOLUTIONS = [{}, {"stride": 2, "padding": 1}, {"stride": (2, 1), "padding": (0, 2), "dilation": (1, 2), "groups": 2},
                {"stride": 3, "padding": 2, "groups": 4}]


def convolution(**how):
    G = how.get("groups", 1)
    x, w, b = RNG.standard_normal((2, 4, 8, 9)), RNG.standard_normal((8, 4 // G, 3, 2)), RNG.standard_normal(8)
    return trace.record(lambda x, w, b: ops.conv2d(x, w, b, **how).sin().sum(), x, w, b)["Conv2d"]


@pytest.mark.parametrize("how", CONVOLUTIONS)
def test_the_products_of_a_pixel_add_up_to_the_output(how):
    node = convolution(**how)
    y = node.value.all()
    for _ in range(20):
        at = [int(RNG.integers(size)) for size in y.shape]
        p = patch_of(node, *at)
        assert abs(p.products.sum() + p.b - y[tuple(at)]) <= 1e-12 * (np.abs(p.products).sum() + abs(p.b))
        panel = views.pixel(node, *at)
        pictures = zip(*[matrices(panel, name) for name in ("products", "patch", "times kernel")], strict=True)
        for shown, patch, kernel in pictures:
            np.testing.assert_array_equal(shown, patch * kernel)
        sums = [row[1] for row in table(panel).rows] if p.products.shape[0] > 1 else [matrices(panel, "products")[0].sum()]
        assert abs(sum(sums) + p.b - y[tuple(at)]) <= 1e-12 * (np.abs(p.products).sum() + abs(p.b))
        lit = next(block for block in panel.blocks if isinstance(block, Matrix)).lit
        assert all([0 <= r < 8 and 0 <= q < 9 for r, q in lit])


@pytest.mark.parametrize("how", CONVOLUTIONS)
def test_the_contributions_to_an_input_pixel_add_up_to_its_gradient(how):
    node = convolution(**how)
    gx = node.sends[0].raw.all()
    for _ in range(20):
        at = [int(RNG.integers(size)) for size in gx.shape]
        t = touched_by(node, *at)
        assert t.gx == gx[tuple(at)]
        assert abs(t.products.sum() - t.gx) <= 1e-12 * max(np.abs(t.products).sum(), 1e-300)
        rows = table(views.pixel_gradient(node, *at)).rows
        assert len(rows) == len(t.outputs) and abs(sum([row[2] for row in rows]) - t.gx) <= 1e-12 * np.abs(t.products).sum()


def test_an_output_reads_the_pixels_that_are_touched_by_its_gradient():
    node = convolution(stride=2, padding=1)
    p = patch_of(node, 1, 3, 2, 2)
    for r in p.rows:
        for q in p.columns:
            if 0 <= r < 8 and 0 <= q < 9:
                assert [2, 2] in touched_by(node, 1, 0, int(r), int(q)).outputs.tolist()


@pytest.mark.parity
def test_a_column_of_im2col_times_a_row_of_the_filters_is_the_pixel():
    torch = pytest.importorskip("torch")
    node = convolution(stride=2, padding=1)
    x = torch.from_numpy(node.slots[0].value.all())
    cols = torch.nn.functional.unfold(x, (3, 2), padding=1, stride=2).numpy()
    panel = views.columns(node, 1, 3, 2, 2)
    block = next(block for block in panel.blocks if isinstance(block, Matrix) and block.caption.startswith("columns"))
    at = 2 * node.value.shape[3] + 2
    first = int(block.caption.split()[1])
    np.testing.assert_array_equal(block.numbers, cols[1, :, first:first + block.numbers.shape[1]])
    assert {q for _, q in block.lit} == {at - first}
    np.testing.assert_array_equal(matrices(panel, "filter 3")[0].ravel(), node.slots[1].value.all()[3].ravel())
    total = sum([row[4] for row in table(panel).rows]) + node.slots[2].value.all()[3]
    assert total == pytest.approx(node.value.all()[1, 3, 2, 2], rel=1e-12)


def test_a_place_that_is_not_there_and_another_op_are_refused():
    node = convolution()
    with pytest.raises(ValueError, match=r"there is no y\[0, 8, 0, 0\] in shape"):
        views.pixel(node, 0, 8, 0, 0)
    with pytest.raises(ValueError, match="Conv2d #0 is no MaxPool2d or AdaptiveMaxPool2d"):
        views.winners(node)


# ---- pooling


POOLS = {"max_pool2d": (3, 2, 1), "adaptive_max_pool2d": ((3, 2),)}


@pytest.mark.parity
@pytest.mark.parametrize("name", POOLS)
def test_winners_and_ties(name):
    torch = pytest.importorskip("torch")
    x = RNG.integers(0, 6, (2, 3, 7, 6)).astype(float)
    how = POOLS[name]
    t = trace.record(lambda x: (getattr(ops, name)(x, *how) * 1.5).exp().sum(), x)
    node = t[0]
    tx = torch.from_numpy(x).requires_grad_()
    y, index = getattr(torch.nn.functional, name)(tx, *how, return_indices=True)
    (y * 1.5).exp().sum().backward()
    panel = views.winners(node, 1, 2)
    rows = {row[0]: row for row in table(panel).rows}
    assert len(rows) == y[1, 2].numel() and any([row[3] for row in rows.values()])
    for i, j in np.ndindex(*y.shape[2:]):
        row = rows[f"[{i},{j}]"]
        at = int(index[1, 2, i, j])
        assert row[1] == y[1, 2, i, j] and row[2] == f"[{at // 6},{at % 6}]"
        if name == "max_pool2d":
            window = x[1, 2, max(2 * i - 1, 0):2 * i + 2, max(2 * j - 1, 0):2 * j + 2]
            assert row[3] == (window == window.max()).sum() - 1
    np.testing.assert_allclose(matrices(panel, "gx")[0], tx.grad[1, 2].numpy())


# ---- batch norm


@pytest.mark.parity
def test_the_three_paths_of_batch_norm_are_those_of_a_graph_with_statistics_held():
    torch = pytest.importorskip("torch")
    x, w, b = RNG.standard_normal((4, 3, 2, 5)) * 2 + 1, RNG.standard_normal(3), RNG.standard_normal(3)
    t = trace.record(lambda x, w, b: ops.batch_norm(x, None, None, w, b, training=True).sin().sum(), x, w, b)
    node = t["BatchNorm"]
    parts = {name: [] for name in ("direct", "through the mean", "through the variance")}
    gy = torch.from_numpy(node.enter.gradient.all())
    for hold in ("both", "variance", "mean", "neither"):
        tx = torch.from_numpy(x).requires_grad_()
        mean = tx.mean((0, 2, 3), keepdim=True)
        var = ((tx - mean) ** 2).mean((0, 2, 3), keepdim=True)
        mean = mean.detach() if hold in ("both", "mean") else mean
        var = var.detach() if hold in ("both", "variance") else var
        (torch.from_numpy(w)[None, :, None, None] * (tx - mean) / (var + 1e-5).sqrt()).backward(gy)
        parts[hold] = tx.grad.numpy()
    for c in range(3):
        ours = three_paths(node, c)
        np.testing.assert_allclose(ours["direct"], parts["both"][:, c], atol=1e-12)
        np.testing.assert_allclose(ours["through the mean"], (parts["variance"] - parts["both"])[:, c], atol=1e-12)
        np.testing.assert_allclose(ours["through the variance"], (parts["mean"] - parts["both"])[:, c], atol=1e-12)
        np.testing.assert_allclose(sum(ours.values()), node.sends[0].raw.all()[:, c], atol=1e-12)
    rows = table(views.paths_of_batch_norm(node, 1, 2, 1, 3)).rows
    assert sum([row[3] for row in rows[:3]]) == pytest.approx(node.sends[0].raw.all()[2, 1, 1, 3])
    assert (ours["through the mean"] * sum(ours.values())).sum() == pytest.approx(0, abs=1e-12)


# ---- loss


@pytest.mark.parametrize("how", [{}, {"reduction": "sum", "label_smoothing": 0.2}, {"ignore_index": 2}])
def test_cross_entropy_in_parts_and_fused_are_the_recorded_gradient(how):
    x, labels = RNG.standard_normal((5, 4)), np.array([0, 3, 2, 1, 1])
    t = trace.record(lambda x: ops.cross_entropy(x, minidl.tensor(labels), **how) * 3, x)
    node = t["CrossEntropy"]
    gx = node.sends[0].raw.all()
    for n in range(5):
        r = row_of(node, n)
        np.testing.assert_allclose(r.p, np.exp(x[n]) / np.exp(x[n]).sum())
        np.testing.assert_allclose(r.jacobian @ r.outer, gx[n], atol=1e-14)
        np.testing.assert_allclose(r.fused, gx[n], atol=1e-14)
        rows = table(views.softmax_cross_entropy(node, n)).rows
        np.testing.assert_allclose([row[7] for row in rows], gx[n], atol=1e-14)
    if not how:
        assert "0.6 = 1 / 5 of the mean, times the incoming 3" in str(views.softmax_cross_entropy(node, 1))
        np.testing.assert_allclose([row[4] for row in rows], r.p - (np.arange(4) == 1))
    if "ignore_index" in how:
        assert "label 2 is ignored" in str(views.softmax_cross_entropy(node, 2))


# ---- sums


def test_a_broadcast_and_its_sum():
    t = trace.record(lambda x, b: (x * b).sin().sum(), RNG.standard_normal((3, 4, 5)), RNG.standard_normal((4, 1)))
    send = t["Mul"].sends[1]
    panel = views.broadcast(send)
    assert "(3, 4, 5) summed over dimensions 0 and 2 -> (4, 1)" in str(panel)
    copies, total = matrices(panel, "what the rule gave")[0], matrices(panel, "their sum")[0]
    assert copies.shape == (15, 4)
    np.testing.assert_allclose(copies.sum(0), total[0])
    np.testing.assert_allclose(total.ravel(), t["b"].arrive.gradient.all().ravel())
    with pytest.raises(ValueError, match="was not broadcast"):
        views.broadcast(t["Mul"].sends[0])


class Blocks(nn.Module):
    """Two residual blocks."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.shortcut = nn.Conv2d(3, 3, 1)
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        x = F.relu(self.a(x)) + x
        x = F.relu(self.b(x).tanh() + self.shortcut(x))
        return self.fc(x.mean((2, 3)))


def blocks():
    minidl.manual_seed(0)
    return trace.record(Blocks().to(minidl.float64), RNG.standard_normal((2, 3, 4, 5)), np.array([1, 0]))


def test_a_residual_addition_knows_its_branch_and_its_skip():
    t = blocks()
    first, second = [node for node in t if node.kind == "Add"]
    one, two = Fork(first), Fork(second)
    assert (one.source, one.skip, one.branch) == (t["x"], 1, 0) and two.source is first
    assert second.slots[two.skip].source.module == "shortcut"
    assert [[send.node.module for send in two.entries[name]] for name in ("branch", "skip", "elsewhere")] == [
        ["b"], ["shortcut"], []]
    for fork in (one, two):
        rows = table(views.residual(fork.node)).rows
        assert sum([row[2] for row in rows[:2]]) == pytest.approx(1)
        parts = {name: sum([send.contribution.all() for send in fork.entries[name]]) for name in ("branch", "skip")}
        total = parts["branch"] + parts["skip"]
        rows = {row[0]: row[3] for row in table(views.residual(fork.node), 1).rows}
        for name, part in parts.items():
            assert rows[name] == pytest.approx((part * total).sum() / (total * total).sum())
    t = trace.record(lambda x, b: (x + b).sum(), np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="is no residual addition: its inputs come from nothing in common"):
        views.residual(t["Add"])


def test_a_ledger_says_what_came_from_where():
    t = blocks()
    panel = views.ledger(t["x"])
    rows = table(panel).rows
    norms = [np.linalg.norm(send.contribution.all()) for send in t["x"].ledger]
    np.testing.assert_allclose([row[3] for row in rows], norms)
    assert sum([row[4] for row in rows]) == pytest.approx(1)
    assert str(panel).count(" + ") == 1 and "(Conv2d #0 a)" in str(panel)


# ---- routes


@pytest.mark.parity
def test_the_routes_to_a_source_are_those_of_a_graph_in_which_the_others_are_cut():
    torch = pytest.importorskip("torch")
    x = RNG.standard_normal((3, 4))

    def f(x):
        y = x.tanh() + x
        return (y.sin() + y).square().sum()
    t = trace.record(f, x)
    found = {tuple([send.node.kind for send in route.sends]): route.gradient for route in routes(t["x"])}
    assert len(found) == 4
    for first in ("Tanh", None):
        for second in ("Sin", None):
            tx = torch.from_numpy(x).requires_grad_()
            y = tx.tanh() + tx.detach() if first else tx.tanh().detach() + tx
            z = y.sin() + y.detach() if second else y.sin().detach() + y
            z.square().sum().backward()
            kinds = tuple(filter(None, [first, "Add", second, "Add", "Square", "Sum"]))
            np.testing.assert_allclose(found[kinds], tx.grad.numpy(), rtol=1e-12)
    rows = table(views.paths(t, t["x"])).rows
    assert sum([row[0] for row in rows]) == pytest.approx(1)


def test_routes_go_through_the_rules_in_their_order():
    t = blocks()
    for source in (t["x"], t["a.weight"], t["Add"]):
        found = routes(source)
        assert len(found) == {"x": 4}.get(source.label, 2) and not any([route.open for route in found])
        arrived = source.enter if source is t["Add"] else source.arrive
        np.testing.assert_allclose(sum([route.gradient for route in found]), arrived.gradient.all(), rtol=1e-9, atol=1e-12)


def test_routes_add_up_also_where_there_are_too_many():
    def f(x):
        for _ in range(6):
            x = x.tanh() + x
        return x.sum()
    t = trace.record(f, RNG.standard_normal((3, 4)))
    found = routes(t["x"], most=9)
    assert 9 <= len(found) < 64 and any([route.open for route in found])
    np.testing.assert_allclose(sum([route.gradient for route in found]), t["x"].arrive.gradient.all(), rtol=1e-12)
    assert len(routes(t["x"], most=64)) == 64


# ---- zeros


def why(t, source, *index):
    return str(views.why_zero(t, source, *index))


def test_a_zero_is_followed_to_where_it_was_cut():
    x = np.array([[1.0, -2.0, 0.5], [3.0, 1.0, -1.0]])
    t = trace.record(lambda x: (x * 2).relu().sum(), x)
    assert "cut by ReLU #1 (x is not above 0 there" in why(t, t["x"], 0, 1)
    assert "It is not: it is 2" in why(t, t["x"], 0, 0)
    t = trace.record(lambda x: ops.max_pool2d(x.reshape(1, 1, 2, 3).exp(), (2, 3)).sum(), x)
    assert "cut by MaxPool2d" in why(t, t["x"], 0, 0) and "another number won" in why(t, t["x"], 0, 0)
    t = trace.record(lambda x: ops.dropout(x, 0.5).sin().sum(), np.ones((4, 5)))
    dropped = tuple(map(int, np.argwhere(t["x"].arrive.gradient.all() == 0)[0]))
    assert "cut by Dropout #0 (the mask dropped it)" in why(t, t["x"], *dropped)
    t = trace.record(lambda x: x.sigmoid().sum(), np.array([50.0, 0.0]))
    assert "saturated" in why(t, t["x"], 0)
    t = trace.record(lambda x: x[1:].sum(), x)
    assert "it was not picked" in why(t, t["x"], 0, 2)
    t = trace.record(lambda x, w: (x * w).sum(), np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    assert "what it is multiplied with is 0" in why(t, t["w"], 0)


def test_a_zero_that_cancels_and_one_that_is_detached():
    t = trace.record(lambda x: (x * 2 - x * 2).sum(), np.ones(3))
    assert "send cancels out" in why(t, t["x"], 1) and "Nothing cut it" in why(t, t["x"], 1)
    t = trace.record(lambda x, y: (x.detach() * y).sum(), np.ones(3), np.ones(3))
    assert "detached" in why(t, t["x"], 1)


def test_a_weight_of_a_dead_filter_is_dead_because_of_the_relu():
    conv = nn.Conv2d(2, 3, 3).to(minidl.float64)
    conv.bias.array[1] = -100
    t = trace.record(lambda x: F.relu(conv(x)).mean((2, 3)).sum(), RNG.standard_normal((2, 2, 5, 6)))
    weight = next(leaf for leaf in t.leaves if leaf.name.endswith("weight"))
    rows = table(views.why_zero(t, weight, 1, 0, 2, 2)).rows
    assert [row[:3] for row in rows] == [["Conv2d #0", 1, 0], ["ReLU #1", 2 * 3 * 4, 2 * 3 * 4]]


# ---- jacobian, overview, special


@pytest.mark.parametrize("f, shapes", [(lambda x: ops.softmax(x, 1), [(2, 4)]), (lambda a, b: a @ b, [(2, 3), (3, 4)]),
                                       (lambda x: ops.max_pool2d(x, 2), [(1, 2, 4, 4)])])
def test_a_jacobian_is_that_of_finite_differences(f, shapes):
    xs = [RNG.standard_normal(shape) for shape in shapes]
    node = trace.record(lambda *xs: f(*xs).sin().sum(), *xs)[0]
    for slot, x in enumerate(xs):
        J = jacobian_of(node, slot)
        for q in range(x.size):
            step = np.zeros(x.size)
            step[q] = 1e-6
            ends = [f(*[minidl.tensor(x + s * step.reshape(x.shape) if i == slot else other) for i, other in enumerate(xs)])
                    for s in (1, -1)]
            np.testing.assert_allclose(J[:, q], (ends[0].numpy() - ends[1].numpy()).ravel() / 2e-6, atol=1e-8)
        panel = views.jacobian(node, slot)
        np.testing.assert_allclose(panel.blocks[-1].numbers.ravel(), node.sends[slot].contribution.all().ravel(), atol=1e-12)


def test_a_large_jacobian_is_refused():
    t = trace.record(lambda x: x.tanh().sum(), np.ones((9, 9)))
    with pytest.raises(ValueError, match="is 81 x 81; up to 64 x 64 is shown"):
        views.jacobian(t["Tanh"])


def test_every_moment_has_an_overview_and_what_is_special_is_found():
    t = blocks()
    for moment in t.moments:
        panel = views.overview(moment)
        assert isinstance(panel, Panel) and panel.blocks and moment.node.label in panel.title
    enter = t["Conv2d"].enter
    text = str(views.overview(enter))
    for part in ("in a, ", "test_views.py:", "x = F.relu(self.a(x)) + x", "gw[f,c,k,l]", "goes out", "the rule reads"):
        assert part in text
    titles = [panel.title for panel in views.special(t["Conv2d"])]
    assert [title.split()[2] for title in titles] == ["output", "gradient", "row"]
    assert [panel.title for panel in views.special(t["Add"])] == ["Add #2: residual addition"]
    assert "softmax" in str(views.special(t["CrossEntropy"])[0])
    assert "pass" in str(views.checked(t["Linear"])) and "gy wᵀ" not in str(views.ruled(t["Linear"]))


def test_what_was_not_kept_is_told():
    t = trace.record(Blocks(), RNG.standard_normal((2, 3, 4, 5)).astype("f4"), np.array([1, 0]), cap=20)
    for moment in t.moments:
        assert views.overview(moment).blocks
    assert views.special(t["Conv2d"]) == []
    with pytest.raises(ValueError, match="only a corner of shape"):
        views.pixel(t["Conv2d"])


def test_a_matrix_in_text_leaves_out_the_middle_but_not_what_is_lit():
    lines = lines_of(Matrix("m", np.arange(10000.0).reshape(100, 100), [(50, 60), (51, 60)]))
    assert len(lines) == 13 and all([sum([cell in line for line in lines]) == 1 for cell in ("[5060]", "[5160]")])
    assert lines[1].split()[0] == "0" and lines[-1].split()[-1] == "9999"
    assert len(lines_of(Matrix("m", np.ones((3, 4))))) == 4
