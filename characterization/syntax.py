"""The grammar of Liberty files: nested groups of attributes, and Boolean expressions over pin names.

Source: Liberty User Guide, vol. 1 (Open Source Liberty); only what cell characterization data needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dse.errors import RunError

_TOKEN = re.compile(r'"[^"]*"|[(){};:,]|[^\s"(){};:,]+')
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


@dataclass
class Group:
    """One `kind (arguments) { ... }` of a Liberty file; a complex attribute is a group without a body."""

    kind: str
    arguments: tuple[str, ...]
    attributes: dict[str, str] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)

    def all(self, *kinds: str) -> Iterator[Group]:
        """The sub-groups of the given kinds, in file order."""
        return (group for group in self.groups if group.kind in kinds)

    def first(self, kind: str) -> Group | None:
        """The first sub-group of the given kind, or None."""
        return next(self.all(kind), None)

    def get(self, name: str, default: str = "") -> str:
        """A simple attribute's text without quotes."""
        return self.attributes.get(name, default)

    def number(self, name: str, default: float = 0.0) -> float:
        """A simple attribute as a number."""
        return float(self.attributes.get(name, default))


def parse_groups(text: str) -> Group:
    """Parse the text of a Liberty file into its `library` group. Raises RunError when it is not one."""
    tokens = _TOKEN.findall(_COMMENT.sub(" ", text).replace("\\\n", " "))
    root = Group("file", ())
    stack = [root]
    position, end = 0, len(tokens)
    while position < end:
        token = tokens[position]
        follow = tokens[position + 1] if position + 1 < end else ""
        if token == "}":
            if len(stack) == 1:
                break
            stack.pop()
            position += 1
        elif follow == ":":
            stop = position + 2
            while stop < end and tokens[stop] not in (";", "}"):
                stop += 1
            stack[-1].attributes[token] = " ".join(tokens[position + 2 : stop]).strip('"')
            position = stop
        elif follow == "(":
            stop = tokens.index(")", position)
            arguments = tuple(t.strip('"') for t in tokens[position + 2 : stop] if t != ",")
            group = Group(token, arguments)
            stack[-1].groups.append(group)
            position = stop + 1
            if position < end and tokens[position] == "{":
                stack.append(group)
                position += 1
        else:
            position += 1
    library = root.first("library")
    if library is None or len(stack) != 1:
        raise RunError("not a Liberty file: no complete `library (name) { ... }` group")
    return library


def numbers(group: Group | None) -> NDArray[np.float64]:
    """All numbers of a complex attribute such as `index_1` or `values`, flat; empty for None."""
    words = " ".join(group.arguments).replace(",", " ").split() if group else []
    return np.array([float(word) for word in words], dtype=np.float64)


Evaluate = Callable[[Mapping[str, NDArray[np.bool_]]], NDArray[np.bool_]]


def parse_boolean(text: str) -> Evaluate:
    """Compile a Liberty Boolean expression (`!` `'` `&` `*` `|` `+` `^`, juxtaposition is AND) into a function.

    The function maps arrays of pin values, by pin name, to the array of the expression's values.
    """
    tokens = re.findall(r"[A-Za-z_][\w\[\]]*|[01]|[!'&*|+^()]", text)
    expression, rest = _sum(tokens)
    if rest:
        raise RunError(f"cannot read the Liberty function {text!r}")
    return expression


def _sum(tokens: list[str]) -> tuple[Evaluate, list[str]]:
    left, tokens = _exclusive(tokens)
    while tokens and tokens[0] in "|+":
        right, tokens = _exclusive(tokens[1:])
        left = _binary(np.logical_or, left, right)
    return left, tokens


def _exclusive(tokens: list[str]) -> tuple[Evaluate, list[str]]:
    left, tokens = _product(tokens)
    while tokens and tokens[0] == "^":
        right, tokens = _product(tokens[1:])
        left = _binary(np.logical_xor, left, right)
    return left, tokens


def _product(tokens: list[str]) -> tuple[Evaluate, list[str]]:
    left, tokens = _factor(tokens)
    while tokens and tokens[0] not in ")|+^":
        right, tokens = _factor(tokens[1:] if tokens[0] in "&*" else tokens)
        left = _binary(np.logical_and, left, right)
    return left, tokens


def _factor(tokens: list[str]) -> tuple[Evaluate, list[str]]:
    if not tokens:
        raise RunError("a Liberty function ends too early")
    head, tokens = tokens[0], tokens[1:]
    if head == "!":
        inner, tokens = _factor(tokens)
        return _negated(inner), tokens
    if head == "(":
        inner, tokens = _sum(tokens)
        tokens = tokens[1:]
    elif head in "01":
        inner = _constant(head == "1")
    else:
        inner = _pin(head)
    while tokens and tokens[0] == "'":
        inner, tokens = _negated(inner), tokens[1:]
    return inner, tokens


def _binary(operator: np.ufunc, left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda pins: operator(left(pins), right(pins))


def _negated(inner: Evaluate) -> Evaluate:
    return lambda pins: np.logical_not(inner(pins))


def _constant(value: bool) -> Evaluate:
    return lambda pins: np.full_like(next(iter(pins.values())), value)


def _pin(name: str) -> Evaluate:
    return lambda pins: pins[name]
