"""One notation for mathematics, and what it becomes: a line of Unicode, and MathML for pages.

    {a}/{b}  a fraction      x^{2}  a power      Σ_{i}  below, or an index      √{x}  a root      "where"  words

All else stands for itself; gx is the gradient of x.
"""
import re
from html import escape
from typing import NamedTuple

TOKEN = re.compile(r'"[^"]*"|[A-Za-z]+[\u0302\u0304]?|[α-ωΦ][\u0302\u0304]?|\d+(?:\.\d+)?|\s+|.')
OPENS = "=<>≤≥·(,+{"             # behind these a minus is a sign
WORDS = {"log", "exp", "max", "min", "sin", "cos", "tanh", "sign", "mean", "softmax", "sigmoid", "erf", "pad"}
BELOW = {"Σ", "Π", "max", "min", "mean"}                     # what has its index below it
UP = dict(zip("0123456789+−()nipxy", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱᵖˣʸ")) | {"T": "ᵀ"}
DOWN = dict(zip("0123456789+−()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ"))


class Math(NamedTuple):
    """A part of a formula, in both ways."""
    text: str
    mathml: str

    @property
    def enclosed(self):
        """Its text, in brackets unless it is in one piece."""
        outside = re.sub(r"\([^()]*\)|\[[^\[\]]*\]", "", self.text)
        return f"({self.text})" if " " in outside else self.text


def mathematics(source):
    """A line in the notation above -> Math, of which `mathml` is a whole <math> element."""
    line = Parser(source).row()
    return Math(line.text, f'<math display="inline" displaystyle="true"><mrow>{line.mathml}</mrow></math>')


class Parser:
    def __init__(self, source):
        self.tokens, self.at = TOKEN.findall(source), 0

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def row(self):
        """All up to the next closing brace, or the end."""
        parts = []
        while self.peek() not in ("", "}"):
            parts.append(self.part())
        return Math("".join([part.text for part in parts]), "".join([part.mathml for part in parts]))

    def group(self):
        """{...}"""
        if self.next() != "{":
            raise ValueError(f"notation: a brace is missing in {''.join(self.tokens)!r}")
        inside = self.row()
        self.next()
        return inside

    def part(self):
        """An atom, with what hangs on it."""
        if self.peek() == "{":
            above = self.group()
            if self.peek() == "/":
                self.next()
                below = self.group()
                return Math(f"{above.enclosed} / {below.enclosed}",
                            f"<mfrac><mrow>{above.mathml}</mrow><mrow>{below.mathml}</mrow></mfrac>")
            return above
        before, name = "".join(self.tokens[:self.at]).strip()[-1:], self.next()
        if name.isspace():
            return Math(name, self.space())
        if name == "−" and (not before or before in OPENS):
            return Math(name, '<mo form="prefix">−</mo>')
        base = self.root() if name == "√" else atom(name)
        scripts = {}
        while self.peek() in ("_", "^") and self.peek() not in scripts:
            where = self.next()
            scripts[where] = self.group()
        return with_scripts(name, base, scripts.get("_"), scripts.get("^"))

    def space(self):
        """What stands for the space just read: words and commas need one, products a narrow one; operators have theirs."""
        before, after = self.tokens[self.at - 2][:1], self.peek()[:1]
        if before in '",' or after == '"':
            return '<mspace width="0.35em"/>'
        return '<mspace width="0.15em"/>' if before.isalnum() and after.isalnum() else ""

    def root(self):
        inside = self.group()
        return Math(f"√{inside.enclosed}", f"<msqrt><mrow>{inside.mathml}</mrow></msqrt>")


def atom(token):
    text = escape(token)
    if token.startswith('"'):
        return Math(token[1:-1], f"<mtext>{escape(token[1:-1])}</mtext>")
    if token[0].isdigit():
        return Math(token, f"<mn>{text}</mn>")
    if token[-1] in "\u0302\u0304":
        mark = "^" if token[-1] == "\u0302" else "¯"
        return Math(token, f'<mover accent="true"><mi>{text[:-1]}</mi><mo stretchy="false">{mark}</mo></mover>')
    if token.isalpha() and token not in "ΣΠ":
        if token not in WORDS and re.fullmatch("g[a-z]+", token):
            return Math(token, f"<msub><mi>g</mi><mi>{text[1:]}</mi></msub>")
        return Math(token, f"<mi>{text}</mi>")
    operator = {"Σ": "∑", "Π": "∏"}.get(token, text)
    fence = ' stretchy="false" lspace="0" rspace="0"' if token in "()[]|⌊⌋," else ""
    return Math(token, f"<mo{fence}>{operator}</mo>")


def with_scripts(name, base, below, above):
    if below is None and above is None:
        return base
    text = base.text + (script(below, "_", DOWN) if below else "") + (script(above, "^", UP) if above else "")
    kind = "under" if name in BELOW else "sub"
    over = {"under": "over", "sub": "sup"}[kind]
    tag = f"m{kind if below else ''}{over if above else ''}"
    parts = "".join([f"<mrow>{part.mathml}</mrow>" for part in (below, above) if part])
    return Math(text, f"<{tag}>{base.mathml}{parts}</{tag}>")


def script(part, mark, letters):
    """A power or an index in small letters, where Unicode has all of them."""
    tight = part.text.replace(" ", "")
    if all([c in letters for c in tight]):
        return "".join([letters[c] for c in tight])
    return mark + (part.text if len(part.text) == 1 else f"({part.text})")
