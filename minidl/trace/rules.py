"""The rule of every kind of op as mathematics: what it computes, and the gradient of each of its inputs.

g stands for the gradient of the loss: gy comes in, gx goes out to x. A plain x stands for all its numbers, one by one;
x[n,c,i,j] for one of them.
"""
from minidl.trace.notation import mathematics
from minidl.trace.panel import Formula

NONE = ('"nothing flows back: the result changes in jumps, or not at all"',)

RULES = {  # kind -> lines in the notation of notation.py
    # ---- arithmetic
    "Add": ("y = a + b", "ga = gy", "gb = gy"),
    "Sub": ("y = a − b", "ga = gy", "gb = −gy"),
    "Mul": ("y = a · b", "ga = gy · b", "gb = gy · a"),
    "Div": ("y = {a}/{b}", "ga = {gy}/{b}", "gb = −gy · {y}/{b}"),
    "Remainder": ("y = a − b · ⌊{a}/{b}⌋", "ga = gy", "gb = −gy · ⌊{a}/{b}⌋"),
    "Neg": ("y = −x", "gx = −gy"),
    "Power": ("y = x^{p}", "gx = gy · p · x^{p − 1}"),
    "Pow": ("y = a^{b}", "ga = gy · b · a^{b − 1}", "gb = gy · y · log(a)"),
    "Exp": ("y = e^{x}", "gx = gy · y"),
    "Expm1": ("y = e^{x} − 1", "gx = gy · (y + 1)"),
    "Log": ("y = log(x)", "gx = {gy}/{x}"),
    "Log1p": ("y = log(1 + x)", "gx = {gy}/{1 + x}"),
    "Sqrt": ("y = √{x}", "gx = {gy}/{2 · y}"),
    "Rsqrt": ("y = {1}/{√{x}}", "gx = −{1}/{2} · gy · y^{3}"),
    "Square": ("y = x^{2}", "gx = gy · 2 · x"),
    "Sin": ("y = sin(x)", "gx = gy · cos(x)"),
    "Cos": ("y = cos(x)", "gx = −gy · sin(x)"),
    "Tanh": ("y = tanh(x)", "gx = gy · (1 − y^{2})"),
    "Sigmoid": ("y = {1}/{1 + e^{−x}}", "gx = gy · y · (1 − y)"),
    "Erf": ("y = erf(x)", "gx = gy · {2}/{√{π}} · e^{−x^{2}}"),
    "Abs": ("y = |x|", "gx = gy · sign(x)"),
    "Maximum": ("y = max(a, b)", 'ga = gy "where" a > b, {gy}/{2} "where" a = b, 0 "elsewhere"',
                'gb = gy "where" b > a, {gy}/{2} "where" a = b, 0 "elsewhere"'),
    "Minimum": ("y = min(a, b)", 'ga = gy "where" a < b, {gy}/{2} "where" a = b, 0 "elsewhere"',
                'gb = gy "where" b < a, {gy}/{2} "where" a = b, 0 "elsewhere"'),
    "Clamp": ('y = x, "but no less than min and no more than max"', 'gx = gy "where" min ≤ x ≤ max, 0 "elsewhere"'),
    "Where": ('y = a "where the condition holds", b "elsewhere"', 'ga = gy "where it holds", 0 "elsewhere"',
              'gb = 0 "where it holds", gy "elsewhere"'),
    "Cast": ('y = x "in another dtype"', 'gx = gy "in the dtype of x"'),
    # ---- activations
    "ReLU": ("y = max(x, 0)", 'gx = gy "where" y > 0, 0 "elsewhere"'),
    "ReLUGradient": ('z = gy "where" y > 0, 0 "elsewhere"', 'ggy = gz "where" y > 0, 0 "elsewhere"'),
    "LeakyReLU": ('y = x "where" x > 0, s · x "elsewhere"', 'gx = gy "where" x > 0, s · gy "elsewhere"'),
    "ELU": ('y = x "where" x > 0, α · (e^{x} − 1) "elsewhere"', 'gx = gy "where" x > 0, gy · (y + α) "elsewhere"'),
    "GELU": ('y = x · Φ(x), "Φ the normal distribution\'s cumulative function"',
             "gx = gy · (Φ(x) + x · {1}/{√{2 · π}} · e^{−{x^{2}}/{2}})"),
    "SiLU": ("y = x · σ(x),  σ(x) = {1}/{1 + e^{−x}}", "gx = gy · (σ(x) + x · σ(x) · (1 − σ(x)))"),
    "Softplus": ("y = {1}/{β} · log(1 + e^{β · x})", "gx = gy · {1}/{1 + e^{−β · x}}"),
    "Hardtanh": ('y = x, "but no less than min and no more than max"', 'gx = gy "where" min < x < max, 0 "elsewhere"'),
    "Hardsigmoid": ('y = {x}/{6} + {1}/{2}, "between 0 and 1"', 'gx = {gy}/{6} "where" −3 < x < 3, 0 "elsewhere"'),
    "Hardswish": ('y = x · ({x}/{6} + {1}/{2}), "the bracket between 0 and 1"',
                  'gx = 0 "where" x < −3, gy · ({x}/{3} + {1}/{2}) "where" −3 ≤ x ≤ 3, gy "elsewhere"'),
    "Softmax": ("y_{i} = {e^{x_{i}}}/{Σ_{j} e^{x_{j}}}", "gx_{i} = y_{i} · (gy_{i} − Σ_{j} gy_{j} · y_{j})"),
    "LogSoftmax": ("y_{i} = x_{i} − log(Σ_{j} e^{x_{j}})", "gx_{i} = gy_{i} − e^{y_{i}} · Σ_{j} gy_{j}"),
    # ---- matrices
    "MatMul": ("y = a b", "ga = gy b^{T}", "gb = a^{T} gy"),
    "Linear": ("y = x w^{T} + b", "gx = gy w", "gw = gy^{T} x", 'gb = Σ_{n} gy[n]'),
    "Einsum": ('y = "the sum of the products of" x_{1}, x_{2}, ... "over all letters that y does not have"',
               'gx_{i} = "the same sum, with" gy "in place of" x_{i}, "into the letters of" x_{i}'),
    # ---- convolution
    "Im2Col": ("y[n,c,k,l,i,j] = x[n,c,s·i + d·k − p,s·j + d·l − p]",
               'gx[n,c,u,v] = Σ gy[n,c,k,l,i,j] "over all that read" x[n,c,u,v]'),
    "Col2Im": ('y[n,c,u,v] = Σ cols[n,c,k,l,i,j] "over all with" s·i + d·k − p = u, s·j + d·l − p = v',
               "gcols[n,c,k,l,i,j] = gy[n,c,s·i + d·k − p,s·j + d·l − p]"),
    "Conv2d": ("y[n,f,i,j] = b[f] + Σ_{c k l} w[f,c,k,l] · x[n,c,s·i + d·k − p,s·j + d·l − p]",
               'gx[n,c,u,v] = Σ_{f k l} w[f,c,k,l] · gy[n,f,i,j] "over all with" s·i + d·k − p = u, s·j + d·l − p = v',
               "gw[f,c,k,l] = Σ_{n i j} gy[n,f,i,j] · x[n,c,s·i + d·k − p,s·j + d·l − p]",
               "gb[f] = Σ_{n i j} gy[n,f,i,j]"),
    "ConvTranspose2d": ('y[n,f,u,v] = b[f] + Σ_{c k l} w[c,f,k,l] · x[n,c,i,j] "over all with" s·i + d·k − p = u, '
                        "s·j + d·l − p = v",
                        "gx[n,c,i,j] = Σ_{f k l} w[c,f,k,l] · gy[n,f,s·i + d·k − p,s·j + d·l − p]",
                        "gw[c,f,k,l] = Σ_{n i j} x[n,c,i,j] · gy[n,f,s·i + d·k − p,s·j + d·l − p]",
                        "gb[f] = Σ_{n u v} gy[n,f,u,v]"),
    # ---- pooling
    "MaxPool2d": ('y[n,c,i,j] = "the largest" x "of window" i,j, "of equals the first"',
                  'gx[n,c,u,v] = Σ gy[n,c,i,j] "over the windows that" x[n,c,u,v] "won"'),
    "AdaptiveMaxPool2d": ('y[n,c,i,j] = "the largest" x "of window" i,j, "of equals the first"',
                          'gx[n,c,u,v] = Σ gy[n,c,i,j] "over the windows that" x[n,c,u,v] "won"'),
    "AvgPool2d": ('y[n,c,i,j] = {1}/{m} · Σ x "over window" i,j, "of" m "pixels"',
                  'gx[n,c,u,v] = Σ {gy[n,c,i,j]}/{m} "over the windows with" x[n,c,u,v]'),
    "AdaptiveAvgPool2d": ('y[n,c,i,j] = {1}/{m} · Σ x "over window" i,j, "of" m "pixels"',
                          'gx[n,c,u,v] = Σ {gy[n,c,i,j]}/{m} "over the windows with" x[n,c,u,v]'),
    # ---- normalisation
    "BatchNorm": ('x̂ = {x − μ}/{√{σ^{2} + ε}}, y = w · x̂ + b, "with" μ "and" σ^{2} "the mean and variance of a channel"',
                  'gx = {w}/{√{σ^{2} + ε}} · (gy − mean(gy) − x̂ · mean(gy · x̂))',
                  "gw = Σ_{n i j} gy · x̂", "gb = Σ_{n i j} gy"),
    "GroupNorm": ('x̂ = {x − μ}/{√{σ^{2} + ε}}, y = w · x̂ + b, "with" μ "and" σ^{2} "of an image\'s group of channels"',
                  'v = w · gy, gx = {1}/{√{σ^{2} + ε}} · (v − mean(v) − x̂ · mean(v · x̂))',
                  "gw = Σ_{n i j} gy · x̂", "gb = Σ_{n i j} gy"),
    "LayerNorm": ('x̂ = {x − μ}/{√{σ^{2} + ε}}, y = w · x̂ + b, "with" μ "and" σ^{2} "of the last dimensions"',
                  'v = w · gy, gx = {1}/{√{σ^{2} + ε}} · (v − mean(v) − x̂ · mean(v · x̂))',
                  "gw = Σ_{n} gy · x̂", "gb = Σ_{n} gy"),
    "LocalResponseNorm": ("s_{i} = k + {α}/{n} · Σ_{j} x_{j}^{2}, y_{i} = x_{i} · s_{i}^{−β}",
                          "gx_{i} = gy_{i} · s_{i}^{−β} − {2 · α · β}/{n} · x_{i} · Σ_{j} gy_{j} · {y_{j}}/{s_{j}} "
                          '"over the windows with" x_{i}'),
    "Dropout": ("y = x · mask", "gx = gy · mask"),
    # ---- losses
    "CrossEntropy": ("p = softmax(x), y = −{1}/{N} · Σ_{n} log(p[n,t_{n}])",
                     'gx[n,c] = {gy}/{N} · (p[n,c] − 1 "if" c = t_{n})'),
    "BinaryCrossEntropy": ("y = −(t · log(x) + (1 − t) · log(1 − x))", "gx = gy · {x − t}/{x · (1 − x)}",
                           "gt = gy · (log(1 − x) − log(x))"),
    "BinaryCrossEntropyWithLogits": ("y = (1 − t) · x + c · log(1 + e^{−x})", "gx = gy · (c · σ(x) − (c − 1 + t))",
                                     "gt = −gy · x", "gc = gy · log(1 + e^{−x})"),
    "SmoothL1": ('d = a − b, y = {d^{2}}/{2 · β} "where" |d| < β, |d| − {β}/{2} "elsewhere"',
                 'ga = gy · {d}/{β} "where" |d| < β, gy · sign(d) "elsewhere"', "gb = −ga"),
    # ---- sums and extremes
    "Sum": ("y = Σ_{i} x_{i}", "gx_{i} = gy"),
    "AMax": ("y = max_{i} x_{i}", 'gx_{i} = {gy}/{m} "where" x_{i} = y, "which" m "of them are", 0 "elsewhere"'),
    "AMin": ("y = min_{i} x_{i}", 'gx_{i} = {gy}/{m} "where" x_{i} = y, "which" m "of them are", 0 "elsewhere"'),
    "LogSumExp": ("y = log(Σ_{i} e^{x_{i}})", "gx_{i} = gy · e^{x_{i} − y}"),
    "Norm": ("y = √{Σ_{i} x_{i}^{2}}", 'gx_{i} = gy · {x_{i}}/{y}, 0 "where" y = 0'),
    "CumSum": ("y_{i} = x_{1} + ... + x_{i}", "gx_{i} = gy_{i} + gy_{i + 1} + ..."),
    "CumProd": ("y_{i} = x_{1} · ... · x_{i}",
                'gx_{i} = Σ_{j ≥ i} gy_{j} · "the product of" x_{1} ... x_{j} "without" x_{i}'),
    "Prod": ("y = Π_{i} x_{i}", 'gx_{i} = gy · Π_{j ≠ i} x_{j}'),
    # ---- moving numbers
    "Reshape": ('y = x "in another shape"', 'gx = gy "in the shape of" x'),
    "Permute": ('y = x "with its dimensions in another order"', 'gx = gy "with its dimensions put back"'),
    "Expand": ('y = x "repeated"', 'gx = Σ gy "over what was repeated"'),
    "SumTo": ('y = Σ x "over what a broadcast would repeat"', 'gx = gy "repeated"'),
    "Flip": ('y = x "from the other end"', 'gx = gy "from the other end"'),
    "Pad": ('y = x "with numbers around it"', 'gx = gy "without what lies around"'),
    "Cat": ('y = x_{1}, x_{2}, ... "one behind the other"', 'gx_{i} = "the piece of" gy "where" x_{i} "went"'),
    "Clone": ("y = x", "gx = gy"),
    "Alias": ("y = x", "gx = gy"),
    "ToDevice": ('y = x "on another device"', 'gx = gy "back on the device of" x'),
    "GetItem": ("y = x[index]", 'gx[index] = gy, "added where it was read more than once", 0 "elsewhere"'),
    "GetItemGradient": ('z[index] = gy, "added where the index comes again", 0 "elsewhere"', "ggy = gz[index]"),
    "SetItem": ('y = x, "but" y[index] = value', 'gx = gy, "but 0 at the index"',
                'gvalue = gy[index], "summed as it was broadcast"'),
    "Gather": ("y[i,j] = x[index[i,j],j]", 'gx[u,j] = Σ gy[i,j] "over all with" index[i,j] = u'),
    "ScatterAdd": ('z[u,j] = Σ gy[i,j] "over all with" index[i,j] = u', "ggy[i,j] = gz[index[i,j],j]"),
    # ---- hooks
    "Gate": ('y = 0, "which waits for the gradients of" xs', 'gxs = "what the hook makes of them"'),
    "Pass": ("y = x", 'gx "waits at the gate for the hook"', "gsignal = signal"),
    # ---- without a gradient
    "Untracked": NONE,
    "_Index": NONE,
}


def rule(node) -> Formula:
    """The rule of a node: a line for what it computes, and one for each gradient; of an op of the user's, its docstring."""
    if node.kind in RULES:
        return of_kind(node.kind)
    return Formula(((node.op and type(node.op).__doc__) or "a rule of its own").strip().splitlines()[0])


def of_kind(kind) -> Formula:
    lines = [mathematics(line) for line in RULES[kind]]
    return Formula("\n".join([line.text for line in lines]),
                   "".join([f'<div style="margin: 0.4em 0">{line.mathml}</div>' for line in lines]))
