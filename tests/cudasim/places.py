"""Where a source can be changed, and the source with all changes in it, of which a launch chooses one.

No expression is parsed. A number, or a variable, is changed by itself; an operator becomes a named one between the same
operands; what follows && and || reaches to the next such sign, or to the end of the parenthesis.
"""
import re
from dataclasses import dataclass, field

from cudasim.source import STRUCT

TOKEN = re.compile(r"""
    (?P<directive>^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*)
  | (?P<number>0[xX][0-9a-fA-F]+[uUlL]*|(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?[fFuUlL]*)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<text>"[^"\n]*")
  | (?P<sign><<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[^\s\w])
  """, re.X | re.M)
LOOP_MACRO = re.compile(r"#define\s+(\w+)\(\s*(\w+)[^)]*\)\s*\\?\s*for\s*\(\s*((?:\w+\s+)+)\2\s*=")
ARRAY = re.compile(r"\b(?:REAL|int|float|double|unsigned|bool)\s+\w+((?:\[[^\]]+\])+)")
INTEGERS = {"int", "unsigned", "long", "short", "char", "signed", "bool"}
FLOATS = {"REAL", "float", "double"}
TYPES = INTEGERS | FLOATS | {"const"}
BUILT_IN = {"threadIdx", "blockIdx", "blockDim", "gridDim"}
WORDS = {"return", "case", "else", "if", "while", "for", "do"}                # after these, a sign has no left operand
OPERATORS = {"+": "Plus", "-": "Minus", "*": "Times", "/": "Divide", "%": "Modulo", "<<": "Left", ">>": "Right", "&": "And",
             "|": "Or", "^": "Xor", "<": "Less", "<=": "LessEqual", ">": "Greater", ">=": "GreaterEqual", "==": "Equal",
             "!=": "Unequal"}
BECOMES = {"+": "-", "-": "+", "*": "+", "/": "*", "%": "/", "<<": ">>", ">>": "<<", "&": "|", "|": "&", "^": "|", "<": "<=",
           "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
ASSIGNMENTS = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "++", "--"}
AXES = [("H", "W"), ("h", "w"), ("y", "x"), ("Y", "X"), ("i", "j"), ("rows", "columns"), ("top", "left"), ("first", "last")]


@dataclass(frozen=True)
class Mutant:
    """One change of a source: in `function`, at `line` of `file`."""
    number: int
    function: str
    file: str
    line: int
    change: str

    def __str__(self):
        return f"{self.file}:{self.line} {self.function}: {self.change}"


@dataclass
class Token:
    kind: str
    text: str
    start: int
    end: int


@dataclass
class Scope:
    """Names and their types; of a loop's head, it ends with the loop's statement."""
    is_loop: bool
    names: dict = field(default_factory=dict)


class Places:
    """A pass through the tokens of `code`, without comments. Places on lines in `without` are left as they are."""

    def __init__(self, code, without=()):
        self.code, self.without = code, without
        self.tokens = [Token(match.lastgroup, match[0], *match.span()) for match in TOKEN.finditer(code)]
        self.macros = {name: kind.split() for name, _, kind in LOOP_MACRO.findall(code)}
        self.templates = set(re.findall(r"template\s*<[^>]*>[^;{(]*?(\w+)\s*\(", code)) | {"static_cast", "reinterpret_cast"}
        self.sizes = set(re.findall(r"\w+", " ".join(ARRAY.findall(code))))      # names that arrays' sizes are made of
        self.structs = set(STRUCT.findall(code))
        self.partner = self.partners()
        self.mutants, self.inserts, self.count = [], [], 0
        self.locations = locations(code)
        self.walk()

    def text(self):
        """The code with all its mutants."""
        parts, end = [], 0
        for start, _, stop, text in sorted(self.inserts):
            parts += [self.code[end:start], text]
            end = stop
        return "".join([*parts, self.code[end:]])

    def partners(self):
        """index of a bracket -> index of its partner"""
        found, stack = {}, []
        for i, token in enumerate(self.tokens):
            if token.text in ("(", "[", "{"):
                stack.append(i)
            elif token.text in (")", "]", "}") and stack:
                found[i] = stack.pop()
                found[found[i]] = i
        return found

    def walk(self):
        self.scopes, self.function, self.depth = [Scope(False)], None, 0
        parameters, i = {}, 0
        while i < len(self.tokens):
            token, after = self.tokens[i], self.at(i + 1)
            if self.function is None:
                if token.text == "(" and self.at(i - 1, "name"):
                    close = self.partner[i]
                    body = self.body_behind(close)
                    if body is not None:
                        self.function, parameters = self.tokens[i - 1].text, self.parameters(i, close)
                        i = body - 1
                i += 1
                continue
            if token.text == "{":
                self.scopes.append(Scope(False, parameters))
                parameters = {}
                self.depth += 1
            elif token.text == "}":
                self.leave()
                self.depth -= 1
                if self.depth == 0:
                    self.function, self.scopes = None, [Scope(False)]
            elif token.text == ";" and not self.in_parenthesis(i):
                self.end_loops()
            elif token.text in ("__shared__", "constexpr", "static_assert", "asm", "extern"):
                i = self.end_of_statement(i)
                continue
            elif token.text in ("__align__", "alignas"):
                i = self.partner[i + 1]
            elif token.text == "case":
                while self.at(i) != ":":
                    i += 1
            elif token.text == "for" and after == "(":
                self.scopes.append(Scope(True))
            elif token.text in self.macros and after == "(":
                kind = tuple([word for word in self.macros[token.text] if word != "const"])
                self.scopes.append(Scope(True, {self.at(i + 2): kind}))
                i += 3
                continue
            elif token.text in TYPES and not self.is_cast(i):
                i = self.declaration(i)
                continue
            elif token.text in self.templates and after == "<":
                while self.at(i) != ">":
                    i += 1
            else:
                i = self.mutate(i) or i
            i += 1

    # Reading

    def at(self, i, kind=None):
        """The text of token i, or whether it is of a kind; "" beyond the ends."""
        if not 0 <= i < len(self.tokens):
            return "" if kind is None else False
        token = self.tokens[i]
        return token.text if kind is None else token.kind == kind

    def body_behind(self, close):
        """The brace of a function's body behind its parameters; None for a declaration or a call."""
        i = close + 1
        while self.at(i) in ("const", "noexcept"):
            i += 1
        return i if self.at(i) == "{" else None

    def parameters(self, begin, end):
        found, i = {}, begin + 1
        while i < end:
            words = []
            while i < end and self.at(i) != ",":
                words.append(self.at(i))
                i += 1
            i += 1
            kind = tuple([word for word in words[:-1] if word not in ("const", "__restrict__")])
            if words and set(kind) <= TYPES | {"*"} and kind:
                found[words[-1]] = kind + (("const",) if "*" in kind and "const" in words else ())
        return found

    def leave(self):
        while self.scopes[-1].is_loop:
            self.scopes.pop()
        self.scopes.pop()
        self.end_loops()

    def end_loops(self):
        while self.scopes[-1].is_loop:
            self.scopes.pop()

    def in_parenthesis(self, i):
        """Is token i inside of a parenthesis that is no block?"""
        j = i - 1
        while j >= 0:
            if self.at(j) in (")", "]", "}"):
                j = self.partner[j]
            elif self.at(j) in ("(", "["):
                return True
            elif self.at(j) == "{":
                return False
            j -= 1
        return False

    def end_of_statement(self, i):
        while self.at(i) != ";":
            i = self.partner[i] if self.at(i) in ("(", "[", "{") else i + 1
            if self.at(i) in (")", "]", "}"):
                i += 1
        return i

    def is_cast(self, i):
        """Is the type at i in a cast, or in sizeof?"""
        j = i
        while self.at(j) in TYPES or self.at(j) == "*":
            j += 1
        return self.at(j) == ")"

    def declaration(self, i):
        """Past the type at i: what it declares is known, and the rest of the statement is read on."""
        kind = []
        while self.at(i) in TYPES or self.at(i) in ("*", "&", "__restrict__"):
            kind.append(self.at(i))
            i += 1
        if not self.at(i, "name"):
            return i
        pointer = "*" in kind
        plain = tuple([word for word in kind if word not in ("const", "&", "__restrict__")])
        if pointer and "const" in kind:
            plain += ("const",)
        if "const" in kind and self.at(i) in self.sizes:
            return self.end_of_statement(i)                     # a constant that an array's size is made of
        while True:
            name, j = self.at(i), i + 1
            while self.at(j) == "[":                            # an array
                j = self.partner[j] + 1
            array = j > i + 1
            end = self.end_of_initialiser(j)
            while j < end:                                      # its initialiser sees the names before it
                j = (self.mutate(j) or j) + 1
            self.scopes[-1].names[name] = ("array",) if array else plain
            if self.at(end) != ",":
                return end
            i = end + 1
            while self.at(i) in ("*", "&"):
                i += 1

    def end_of_initialiser(self, i):
        while self.at(i) not in (",", ";", ")", ":"):
            i = self.partner[i] + 1 if self.at(i) in ("(", "[", "{") else i + 1
            if i >= len(self.tokens):
                break
            if self.at(i) == "?":                               # its colon ends nothing
                while self.at(i) != ":":
                    i = self.partner[i] + 1 if self.at(i) in ("(", "[", "{") else i + 1
                i += 1
        return i

    def kind_of(self, name):
        for scope in reversed(self.scopes):
            if name in scope.names:
                return scope.names[name]
        return None

    def in_scope(self):
        """name -> type, of all names that are known here, outer ones first."""
        return {name: kind for scope in self.scopes for name, kind in scope.names.items()}

    def has_left_operand(self, i):
        """Is the sign at i between two operands?"""
        before = self.at(i - 1)
        if before == ")" and self.at(self.partner[i - 1] - 1) in WORDS | self.macros.keys():
            return False                                        # a statement begins, as `*p = 0` after `if (...)`
        if before == ")":
            inside = [self.at(j) for j in range(self.partner[i - 1] + 1, i - 1)]
            is_type = inside and set(inside) <= TYPES | {"*"} | self.structs
            return not is_type or self.at(self.partner[i - 1] - 1) == "sizeof"
        named = self.at(i - 1, "name") and before not in WORDS | TYPES | self.structs
        return named or before == "]" or self.at(i - 1, "number")

    # Changing

    def mutate(self, i):
        """Add the mutants of token i; the index of the last token that they take in, or None."""
        token, before, after = self.tokens[i], self.at(i - 1), self.at(i + 1)
        if token.kind == "directive":
            return None
        if token.text in ("__syncthreads", "__syncwarp"):
            close = self.partner[i + 1]
            call = self.code[token.start:self.tokens[close].end]
            self.replace(i, close, f"{call} removed", lambda k: f"(cudasim::is({k}) ? (void)0 : {call})")
            return close
        if token.text.startswith("__shfl") and after == "(":     # past the mask
            while self.at(i) != ",":
                i += 1
            return i
        if token.text in ("continue", "break", "return") and after == ";":
            self.replace(i, i + 1, f"{token.text} removed", lambda k: f"{{ if (!cudasim::is({k})) {token.text}; }}")
            self.end_loops()
            return i + 1
        if token.text in ("min", "max", "fmin", "fmax") and after == "(":
            other = {"min": "max", "max": "min"}[token.text[-3:]]
            self.replace(i, i + 1, f"{token.text} -> {token.text[:-3]}{other}",
                         lambda k: f"cudasim::{token.text[-3:]}_or_{other}({k}, ")
            return i + 1
        if token.kind == "number":
            self.replace(i, i, f"{token.text} -> {token.text} + 1", lambda k: f"({token.text} + cudasim::is({k}))")
        elif token.text in BUILT_IN and after == ".":
            name = token.text + "." + self.at(i + 2)
            self.replace(i, i + 2, f"{name} -> {name} + 1", lambda k: f"({name} + cudasim::is({k}))")
            return i + 2
        elif token.kind == "name" and before not in (".", "->"):
            self.mutate_variable(i)
        elif token.text in ("&&", "||"):
            self.mutate_condition(i)
        elif token.text in ("+=", "-="):
            end = self.end_of_initialiser(i + 1)
            change = "+= -> -=" if token.text == "+=" else "-= -> +="
            self.around(i + 1, end - 1, change, "cudasim::sign({}) * (".format, ")")
        elif token.text in OPERATORS and self.has_left_operand(i):
            self.replace(i, i, f"{token.text} -> {BECOMES[token.text]}",
                         lambda k: f"{token.text} cudasim::{OPERATORS[token.text]}({k}) {token.text}")
        return None

    def mutate_variable(self, i):
        name, before, after = self.at(i), self.at(i - 1), self.at(i + 1)
        kind = self.kind_of(name)
        if kind is None or kind == ("array",) or after in ASSIGNMENTS or before in ("++", "--"):
            return
        if before == "&" and not self.has_left_operand(i - 1):
            return
        other = self.neighbour(name, kind)
        if other:
            self.replace(i, i, f"{name} -> {other}", lambda k: f"(cudasim::is({k}) ? {other} : {name})")
        elif kind == ("bool",):
            self.replace(i, i, f"{name} -> !{name}", lambda k: f"(cudasim::is({k}) != {name})")
        elif "*" not in kind and set(kind) <= INTEGERS:
            self.replace(i, i, f"{name} -> {name} + 1", lambda k: f"({name} + cudasim::is({k}))")

    def mutate_condition(self, i):
        """a && b: b is left out."""
        end = i + 1
        while self.at(end) not in ("&&", "||", "?", ":", ")", "]", "}", ",", ";"):
            end = self.partner[end] + 1 if self.at(end) in ("(", "[", "{") else end + 1
        right = self.code[self.tokens[i + 1].start:self.tokens[end - 1].end]
        start = "(cudasim::is({}) || (" if self.at(i) == "&&" else "(!cudasim::is({}) && ("
        self.around(i + 1, end - 1, f"{self.at(i)} {right} removed", start.format, "))")

    def neighbour(self, name, kind):
        """Another variable of the same type: the one for the other axis, or the next one."""
        known = self.in_scope()
        same = [other for other, its in known.items() if its == kind and other != name]
        for pair in AXES:
            for a, b in (pair, pair[::-1]):
                for at in [match.start() for match in re.finditer(a, name)]:
                    swapped = name[:at] + b + name[at + len(a):]
                    if swapped in same:
                        return swapped
        if "*" in kind or set(kind) <= FLOATS:
            later = list(known)[list(known).index(name) + 1:]
            return next((other for other in [*later, *known] if other in same), None)
        return None

    def replace(self, first, last, change, text):
        number = self.add(first, change)
        if number:
            start, end = self.tokens[first].start, self.tokens[last].end
            self.inserts.append((start, 1, end, text(number)))

    def around(self, first, last, change, text, behind):
        number = self.add(first, change)
        if number:
            start, end = self.tokens[first].start, self.tokens[last].end
            self.inserts.append((start, 0, start, text(number)))
            self.inserts.append((end, -1, end, behind))

    def add(self, i, change):
        file, line = self.locations[self.code.count("\n", 0, self.tokens[i].start)]
        self.count += 1                                         # numbers do not depend on what is left out
        if (file, line) in self.without:
            return None
        self.mutants.append(Mutant(self.count, self.function, file, line, " ".join(change.split())))
        return self.count


def locations(code):
    """For each line of code, the file and line that it comes from: `#line` directives say so."""
    found, file, number = [], "kernel.cu", 0
    for line in code.split("\n"):
        number += 1
        found.append((file, number))
        told = re.match(r'\s*#line\s+(\d+)\s+"([^"]*)"', line)
        if told:
            number, file = int(told[1]) - 1, told[2]
    return found
