"""Formulas as graphs: symbols that record what is done with them. Equal operations on equal inputs are one node."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

Kind = Literal["int", "float", "bool"]
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
UFUNCS = {
    "add": "+", "subtract": "-", "multiply": "*", "floor_divide": "//", "true_divide": "/", "divide": "/",
    "remainder": "%", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==",
    "not_equal": "!=", "bitwise_and": "&", "bitwise_or": "|", "minimum": "min", "maximum": "max", "negative": "neg",
    "absolute": "abs", "invert": "not", "ceil": "ceil", "square": "square",
}  # fmt: skip
FOLDED: dict[str, Callable[..., Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv, "%": operator.mod,
    "min": min, "max": max, "neg": operator.neg, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "abs": abs,
}  # fmt: skip


@dataclass(frozen=True)
class Node:
    """An operation on other nodes, a literal, or an input: an element of an array.

    `level` is the depth of the loop in which its value changes.
    """

    op: str
    args: tuple[int, ...]
    kind: Kind
    level: int
    literal: bool | int | float | None = None
    place: tuple[str | int, ...] = ()  # array and indices, counters of loops by name


@dataclass
class Graph:
    """Nodes in the order in which they were made, each after its inputs."""

    nodes: list[Node] = field(default_factory=list)
    numbers: dict[Node, int] = field(default_factory=dict)

    def input(self, kind: Kind, level: int, *place: str | int) -> Symbol:
        """An element of an array."""
        return self._symbol(Node("input", (), kind, level, place=place))

    def lift(self, value: Any) -> Symbol:
        """A symbol as it is, a number as a literal."""
        number = value.item() if isinstance(value, (np.ndarray, np.generic)) else value
        if isinstance(number, Symbol):
            return number
        kind: Kind = "bool" if isinstance(number, bool) else "int" if isinstance(number, int) else "float"
        return self._symbol(Node("literal", (), kind, 0, number))

    def apply(self, op: str, *values: Any) -> Symbol:
        """An operation on symbols and numbers."""
        args = tuple(self.lift(value) for value in values)
        literals = [arg.literal for arg in args]
        if op in FOLDED and all(literal is not None for literal in literals):
            return self.lift(FOLDED[op](*literals))
        simpler = _simpler(op, args, literals)
        if simpler is not None:
            return simpler
        level = max(arg.node.level for arg in args)
        return self._symbol(Node(op, tuple(arg.number for arg in args), _kind(op, args), level))

    def _symbol(self, node: Node) -> Symbol:
        number = self.numbers.setdefault(node, len(self.nodes))
        if number == len(self.nodes):
            self.nodes.append(node)
        return Symbol(self, number)


def _kind(op: str, args: tuple[Symbol, ...]) -> Kind:
    if op in COMPARISONS or op in ("&", "|", "not"):
        return "bool"
    if op == "int":
        return "int"
    kinds = {arg.node.kind for arg in (args[1:] if op == "where" else args)}
    return "float" if "float" in kinds or op in ("/", "ceil") else "int" if "int" in kinds else "bool"


def _simpler(op: str, args: tuple[Symbol, ...], literals: list[Any]) -> Symbol | None:
    """What an operation with a neutral literal comes to, if there is one."""
    if op == "where":
        if literals[0] is not None:
            return args[1] if literals[0] else args[2]
        return args[1] if args[1].number == args[2].number else None
    if len(args) != 2:
        return None
    for one, literal in ((args[0], literals[1]), (args[1], literals[0])):
        if literal is None or (one is args[1] and op in ("-", "//", "/")):
            continue
        neutral = {"+": 0, "-": 0, "*": 1, "//": 1, "&": True, "|": False}.get(op)
        if neutral is not None and type(literal) is type(neutral) and literal == neutral:
            return one
        if (op == "&" and literal is False) or (op == "|" and literal is True):
            return one.graph.lift(literal)
    return None


@dataclass(frozen=True, eq=False)
class Symbol(NDArrayOperatorsMixin):
    """A value that is not known yet. It takes what the formulas of the project do with arrays."""

    graph: Graph
    number: int

    @property
    def node(self) -> Node:
        """What it stands for."""
        return self.graph.nodes[self.number]

    @property
    def literal(self) -> Any:
        """Its value if that is known, else None."""
        return self.node.literal

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any) -> Symbol:
        if ufunc is np.power and inputs[1] == 2:
            return self.graph.apply("square", inputs[0])
        return self.graph.apply(UFUNCS[ufunc.__name__], *inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Symbol:
        if func is np.where:
            return self.graph.apply("where", *args)
        if func is np.clip:
            return self.graph.apply("min", self.graph.apply("max", args[0], args[1]), args[2])
        if func is np.ones_like:
            return self.graph.lift(1)
        raise TypeError(f"a formula uses numpy.{func.__name__}, which is not element-wise here")

    def astype(self, kind: type) -> Symbol:
        """Conversion to an integer, towards zero."""
        return self.graph.apply("int", self)

    def __bool__(self) -> bool:
        raise TypeError("a formula branches on a value that is not known")
