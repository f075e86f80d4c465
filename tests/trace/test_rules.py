"""Every op has a rule that can be read, and those that can be computed are true."""
import re
from xml.dom import minidom

import numpy as np
import pytest
from scipy.special import erf, ndtr

from minidl import Op, trace
from minidl.gradcheck.table import EXEMPT, PROOFS, op_classes
from minidl.trace.notation import mathematics
from minidl.trace.rules import RULES, of_kind, rule

KINDS = [cls for cls in op_classes() if cls.__name__ != "Extreme"]


@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)
def test_every_op_has_a_rule_with_a_line_for_the_gradient_of_each_input(cls):
    formula = of_kind(cls.__name__)
    minidom.parseString(f"<p>{formula.mathml}</p>")
    constants = {"condition", "labels", "weight", "mask", "index", "y", "xs"}
    if cls.__name__ not in EXEMPT:
        for name in set(cls.input_names) - constants:
            assert f"g{name}" in formula.text, f"{cls.__name__}: nothing is said of g{name}"


def test_no_rule_is_of_an_op_that_there_is_not():
    assert set(RULES) == {cls.__name__ for cls in KINDS}


FUNCTIONS = {"log": np.log, "sin": np.sin, "cos": np.cos, "sign": np.sign, "σ": lambda x: 1 / (1 + np.exp(-x)), "erf": erf,
             "e": np.e, "π": np.pi, "Φ": ndtr, "floor": np.floor, "where": np.where, "sqrt": np.sqrt}


def computed(source, **values):
    """A line in the notation, as Python computes it."""
    source = source.replace("−", "-").replace("·", "*").replace("≤", "<=").replace(" = b", " == b")
    source = re.sub(r"min <= x <= max", "(min <= x) & (x <= max)", source)
    source = re.sub(r"(-?\d) (<=?) x (<=?) (\w+)", r"(\1 \2 x) & (x \3 \4)", source)
    source = re.sub(r"min < x < max", "(min < x) & (x < max)", source)
    source = re.sub(r"\|(\w)\|", r"abs(\1)", source).replace("√", "sqrt").replace("⌊", "floor(").replace("⌋", ")")
    source = source.replace("^", "**").replace("{", "(").replace("}", ")")
    *cases, last = re.split(r", (?![^(]*\))", source) if '"' in source else [source]
    expression = last.replace('"elsewhere"', "")
    for case in reversed(cases):
        value, condition = case.split('"where"')
        expression = f"where({condition}, {value}, {expression})"
    return eval(expression, {}, {**FUNCTIONS, "abs": np.abs, **values})


ELEMENTWISE = [
    "Add", "Sub", "Mul", "Div", "Remainder", "Neg", "Power", "Pow", "Exp", "Expm1", "Log", "Log1p", "Sqrt", "Rsqrt",
    "Square", "Sin", "Cos", "Tanh", "Sigmoid", "Erf", "Abs", "Maximum", "Minimum", "Clamp", "ReLU", "LeakyReLU",
    "ELU", "GELU", "SiLU", "Softplus", "Hardtanh", "Hardsigmoid", "Hardswish", "BinaryCrossEntropy",
    "BinaryCrossEntropyWithLogits", "Dropout",
]
SETTINGS = {"exponent": "p", "slope": "s", "alpha": "α", "beta": "β", "min": "min", "max": "max"}


@pytest.mark.parity
@pytest.mark.parametrize("kind", ELEMENTWISE)
def test_what_the_rule_says_is_what_torch_computes(kind):
    torch = pytest.importorskip("torch")
    case = next(c for c in PROOFS[kind] if c.inputs() and (c.torch is not None or kind == "Dropout"))
    ours = case.in_minidl()
    t = trace.record(lambda *xs: (ours(*xs) * 1.3).sin().sum(), *case.inputs())
    node = t[kind]
    values = {slot.name: slot.value.all() if slot.source else slot.value for slot in node.slots}
    values |= {SETTINGS[name]: value for name, value in vars(node.op).items() if name in SETTINGS}
    values |= {"y": node.value.all(), "gy": node.enter.gradient.all()}
    xs = [torch.from_numpy(x.copy()).requires_grad_() for x in case.inputs()]
    (case.in_torch()(*xs) if kind != "Dropout" else xs[0] * torch.from_numpy(values["mask"])).mul(1.3).sin().sum().backward()
    for line in RULES[kind][1:]:
        name, _, right = line.partition(" = ")
        send = next((send for send in node.sends if f"g{node.slots[send.slot].name}" == name), None)
        if send is not None:
            raw = np.broadcast_to(computed(right, **values), node.value.shape).sum(send.summed)
            leaf = next((i for i, x in enumerate(t.leaves[:len(xs)]) if x is send.target), None)
            expected = send.contribution.all() if leaf is None else xs[leaf].grad.numpy()
            rtol = 1e-7 if kind == "Hardsigmoid" else 1e-10                                  # torch's 1/6 is a float32
            np.testing.assert_allclose(raw.reshape(expected.shape), expected, rtol=rtol, atol=1e-12)


def test_the_notation():
    line = mathematics('gx = {gy}/{2 · y} "where" a_{i} < x^{2}, √{1 + Σ_{c j} x̂_{j}}')
    assert line.text == "gx = gy / (2 · y) where aᵢ < x², √(1 + Σ_(c j) x̂ⱼ)"
    assert ("<mfrac><mrow><msub><mi>g</mi><mi>y</mi></msub></mrow><mrow><mn>2</mn><mo>·</mo><mi>y</mi></mrow></mfrac>"
            in line.mathml)
    assert '<mo>&lt;</mo>' in line.mathml
    assert '<munder><mo>∑</mo><mrow><mi>c</mi><mspace width="0.15em"/><mi>j</mi></mrow></munder>' in line.mathml
    assert '<mo>=</mo><mo form="prefix">−</mo>' in mathematics("gb = −gy").mathml


def test_a_node_has_the_rule_of_its_kind():
    t = trace.record(lambda x: x.tanh().sum(), np.ones(3))
    assert rule(t[0]).text == "y = tanh(x)\ngx = gy · (1 − y²)"


def test_an_op_of_the_users_has_its_docstring_for_a_rule():
    class Double(Op):
        """y = 2 x,  dy/dx = 2

        And more.
        """

        def forward(self, k, x):
            return 2 * x

        def backward(self, gy, y, x):
            return 2 * gy
    assert rule(trace.record(lambda x: Double()(x).sum(), np.ones(3))[0]).text == "y = 2 x,  dy/dx = 2"
