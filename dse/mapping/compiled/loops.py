"""A graph of formulas as a loop nest in LLVM: every operation in the outermost loop that its inputs allow.

All numbers are doubles: integers below 2^53 are exact in them, and so are the quotients of integers below 2^52 that are
rounded down or up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llvmlite import ir

from dse.mapping.compiled.graph import COMPARISONS, Graph, Node, Symbol

LANES = 8
LOG_LONGEST = 20  # of a list
INNER = 1000  # level of the outer of the two loops over the designs of a cell, which stand in several places
DOUBLE, INDEX, BIT = ir.DoubleType(), ir.IntType(64), ir.IntType(1)
Value = Any  # of llvmlite.ir, which is not typed
Token = int | str


@dataclass
class Loop:
    """An open loop: where its body is written to, what follows it, and the nodes that have a value in it."""

    body: Value
    header: Value = None
    latch: Value = None
    behind: Value = None
    counter: Value = None
    start: Value = None
    values: dict[int, Value] = field(default_factory=dict)


class LoopNest:
    """Writes a function of arrays. `loops[k]` is the open loop at level k; level 0 is the function itself."""

    def __init__(self, graph: Graph, name: str, arrays: Mapping[str, Sequence[Token]], sizes: Sequence[str]) -> None:
        """`arrays`: extents by name, numbers or names of sizes. Arguments are pointers to them and then the sizes."""
        self.graph, self.module, self.arrays = graph, ir.Module(name), arrays
        types = [DOUBLE.as_pointer()] * len(arrays) + [INDEX] * len(sizes)
        self.function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), types), name)
        self.named: dict[str, Value] = dict(zip((*arrays, *sizes), self.function.args, strict=True))
        for array in arrays:
            self.named[array].add_attribute("noalias")
        self.loops = [Loop(ir.IRBuilder(self.function.append_basic_block()))]
        self.entry = self.here  # for what is allocated once
        self.inner = 0  # where the loops over the designs of a cell begin, while they are open
        self.vectorized = 0  # loops
        self.together: int | None = None  # the level whose values are inside these loops, while they are
        self.rows: dict[int, int] = {}  # of the scratch, by the nodes that they hold for these values

    @property
    def here(self) -> Value:
        """Where the innermost loop is written to."""
        return self.loops[-1].body

    def open(self, name: str, start: Value, end: Value) -> None:
        """Begin a loop over start <= counter < end. What is hoisted out of it is written before it."""
        header, body, latch, behind = (self.function.append_basic_block() for _ in range(4))
        head = ir.IRBuilder(header)
        counter = head.phi(INDEX)
        head.cbranch(head.icmp_signed("<", counter, end), body, behind)
        step = ir.IRBuilder(latch)
        counter.add_incoming(step.add(counter, INDEX(1)), latch)
        step.branch(header)
        self.loops.append(Loop(ir.IRBuilder(body), header, latch, behind, counter, start))
        self.named[name] = counter

    def close(self, at_once: bool = False) -> None:
        """End the innermost loop; `at_once` runs it on several values of the counter at a time."""
        loop = self.loops.pop()
        loop.body.branch(loop.latch)
        if at_once:
            loop.latch.terminator.set_metadata("llvm.loop", self._vectorized())
        loop.counter.add_incoming(loop.start, self.here.block)
        self.here.branch(loop.header)
        self.here.position_at_end(loop.behind)

    def next_if(self, condition: Value) -> None:
        """Go on with the next value of the counter if a condition holds."""
        rest = self.function.append_basic_block()
        self.here.cbranch(condition, self.loops[-1].latch, rest)
        self.here.position_at_end(rest)

    def do_if(self, condition: Value, write: Callable[[], None]) -> None:
        """What `write` writes, if a condition holds; it must not need values that are not there yet."""
        then, rest = self.function.append_basic_block(), self.function.append_basic_block()
        self.here.cbranch(condition, then, rest)
        self.here.position_at_end(then)
        write()
        self.here.branch(rest)
        self.here.position_at_end(rest)

    def finish(self) -> str:
        """The module as LLVM assembly."""
        self.here.ret_void()
        return re.sub(r'^(!\d+) = !{ !"loop \d+", ', r"\1 = distinct !{ \1, ", str(self.module), flags=re.MULTILINE)

    def _vectorized(self) -> Value:
        """What tells LLVM to run a loop on LANES values at once, the last ones under a mask.

        A loop's metadata begins with itself, which `finish` writes in place of the loop's number.
        """
        self.vectorized += 1
        hints = {
            "vectorize.enable": BIT(1), "vectorize.width": ir.IntType(32)(LANES),
            "interleave.count": ir.IntType(32)(1), "vectorize.predicate.enable": BIT(1),
        }  # fmt: skip
        nodes = [self.module.add_metadata([f"llvm.loop.{name}", value]) for name, value in hints.items()]
        return self.module.add_metadata([f"loop {self.vectorized}", *nodes])

    def address(self, array: str, *index: Token) -> Value:
        """Of an element of an array."""
        return self._address(self.here, array, index)

    def _address(self, at: Value, array: str, index: Sequence[Token]) -> Value:
        place = self.whole(index[0])
        for each, extent in zip(index[1:], self.arrays[array][1:], strict=True):
            place = at.add(at.mul(place, self.whole(extent)), self.whole(each))
        return at.gep(self.named[array], [place])

    def whole(self, token: Token) -> Value:
        """An integer: a number, or a size or counter by name."""
        return self.named[token] if isinstance(token, str) else INDEX(token)

    def value(self, symbol: Symbol) -> Value:
        """A value, computed where it first can be if no loop around has it."""
        return self._value(symbol.number)

    def number(self, symbol: Symbol) -> Value:
        """A value as a double."""
        return self._number(symbol.number)

    def store_rows(
        self, level: int, start: Value, end: Value, rows: Mapping[int, Symbol], costs: Sequence[Symbol], first: int
    ) -> None:
        """For all values of a counter: symbols to rows of the scratch; from row `first` on what costs need of it."""
        needed = self._needed(costs, level)
        if first + len(needed) + len(self._needed(costs, INNER)) > self.arrays["scratch"][0]:  # type: ignore[operator]
            raise ValueError("the formulas need more rows of scratch than there are")
        self.open(f"i{level}", start, end)
        for row, symbol in rows.items():
            self.here.store(self.number(symbol), self.address("scratch", row, f"i{level}"))
        for row, number in enumerate(needed, first):
            self.here.store(self._number(number), self.address("scratch", row, f"i{level}"))
        self.close(at_once=True)
        self.rows = {number: row for row, number in enumerate(needed, first)}

    def for_each_design(
        self, level: int, start: Value, end: Value, costs: Sequence[Symbol], write: Callable[[], None],
        mask: Value, at_once: bool,
    ) -> None:  # fmt: skip
        """What `write` writes, for the designs of a mask and all values of a counter whose rows are stored.

        What depends on the GLB width alone is stored in further rows, for each width.
        """
        self.together = level
        self.open("w", INDEX(0), self.whole("n_widths"))
        self.next_if(self.is_none(mask, self.bits_of_width()))
        self.open(f"i{level}", start, end)
        of_width = [number for number in self._needed(costs, INNER) if self._varies(number, level)]
        rows = {number: row for row, number in enumerate(of_width, max(self.rows.values()) + 1)}
        for number, row in rows.items():
            self.here.store(self._number(number), self.address("scratch", row, f"i{level}"))
        self.close(at_once=True)
        self.rows |= rows
        self.open("d", INDEX(0), self.whole("n_designs"))
        self.next_if(self.is_none(mask, self.bit_of_design()))
        self.open(f"i{level}", start, end)
        write()
        self.close(at_once)
        self.close()
        self.close()
        self.together, self.rows = None, {}

    def first_unset(self, level: int, start: Value, end: Value, condition: Symbol) -> Value:
        """The first value of a counter behind `start` for which a condition does not hold, if it holds up to there."""
        low, high = self.entry.alloca(INDEX), self.entry.alloca(INDEX)
        self.here.store(self.here.add(start, INDEX(1)), low)
        self.here.store(end, high)
        self.open("step", INDEX(0), INDEX(LOG_LONGEST))
        at = self.here
        begin, stop = at.load(low), at.load(high)
        self.next_if(at.icmp_signed(">=", begin, stop))
        middle = at.lshr(at.add(begin, stop), INDEX(1))
        self.named[f"i{level}"] = middle
        holds = self.value(condition)
        at.store(at.select(holds, at.add(middle, INDEX(1)), begin), low)
        at.store(at.select(holds, stop, middle), high)
        self.close()
        return self.here.load(low)

    def is_set(self, row: int, counter: str) -> Value:
        """Whether an element of the scratch is not 0."""
        return self.here.fcmp_ordered("!=", self.here.load(self.address("scratch", row, counter)), DOUBLE(0))

    def bit_of_design(self) -> Value:
        """The bit of the design (w, d) in a mask."""
        at = self.here
        return at.shl(INDEX(1), at.add(at.mul(self.named["w"], self.whole("n_designs")), self.named["d"]))

    def bits_of_width(self) -> Value:
        """The bits of the designs (w, ...) in a mask."""
        at = self.here
        ones = at.lshr(INDEX(-1), at.sub(INDEX(64), self.whole("n_designs")))
        return at.shl(ones, at.mul(self.named["w"], self.whole("n_designs")))

    def is_none(self, mask: Value, bits: Value) -> Value:
        """Whether a mask has none of some bits."""
        return self.here.icmp_unsigned("==", self.here.and_(mask, bits), INDEX(0))

    def mask_at(self, row: int, counter: str) -> Value:
        """Where the scratch holds a mask."""
        return self.here.bitcast(self.address("scratch", row, counter), INDEX.as_pointer())

    def add_if(self, condition: Value, bit: Value, row: int, counter: str) -> None:
        """Add a bit to a mask in the scratch, or leave it as it is."""
        place = self.mask_at(row, counter)
        old = self.here.load(place)
        self.here.store(self.here.select(condition, self.here.or_(old, bit), old), place)

    def _needed(self, costs: Sequence[Symbol], level: int) -> list[int]:
        """Nodes of a level that costs, or nodes of inner levels, are computed from."""
        found: dict[int, None] = {}

        def visit(number: int) -> None:
            node = self.graph.nodes[number]
            if node.level == level:
                found[number] = None
            elif node.level > level:
                for arg in node.args:
                    visit(arg)

        for cost in costs:
            visit(cost.number)
        return list(found)

    def _varies(self, number: int, level: int) -> bool:
        """Whether a node depends on the counter of a level."""
        node = self.graph.nodes[number]
        return node.level == level or any(self._varies(arg, level) for arg in node.args)

    def _number(self, number: int) -> Value:
        value = self._value(number)
        if self.graph.nodes[number].kind != "bool":
            return value
        return self._loop(self.graph.nodes[number].level).body.uitofp(value, DOUBLE)

    def _loop(self, level: int) -> Loop:
        if self.together is not None:
            return self.loops[level] if level < self.together else self.loops[-1]
        return self.loops[level if level < INNER else self.inner + level - INNER]

    def _value(self, number: int) -> Value:
        node = self.graph.nodes[number]
        if node.op == "literal":
            return BIT(node.literal) if node.kind == "bool" else DOUBLE(float(node.literal or 0))
        loop = self._loop(node.level)
        if number not in loop.values:
            loop.values[number] = self._computed(number, node, loop)
        return loop.values[number]

    def _computed(self, number: int, node: Node, loop: Loop) -> Value:
        if self.together is not None and number in self.rows:
            stored = loop.body.load(self.address("scratch", self.rows[number], f"i{self.together}"))
            return stored if node.kind != "bool" else loop.body.fcmp_ordered("!=", stored, DOUBLE(0))
        if node.op == "input":
            array, *index = node.place
            return loop.body.load(self._address(loop.body, str(array), index))
        return self._result(node, loop)

    def _result(self, node: Node, loop: Loop) -> Value:
        take = self._value if node.op in ("&", "|", "not") else self._number
        if node.op == "where":
            condition, *branches = node.args
            of_branch = self._value if node.kind == "bool" else self._number
            args = [self._value(condition), *(of_branch(branch) for branch in branches)]
        else:
            args = [take(arg) for arg in node.args]
        return self._operation(node.op, args, loop.body)

    def _operation(self, op: str, args: list[Value], at: Value) -> Value:
        if op in COMPARISONS:
            return at.fcmp_ordered(op, *args)
        if op in ("min", "max"):
            return at.select(at.fcmp_ordered("<" if op == "min" else ">", *args), *args)
        simple = {
            "+": at.fadd, "-": at.fsub, "*": at.fmul, "/": at.fdiv, "neg": at.fneg, "&": at.and_, "|": at.or_,
            "not": at.not_, "where": at.select,
        }  # fmt: skip
        if op in simple:
            return simple[op](*args)
        if op == "//":
            return self._intrinsic("floor", at.fdiv(*args), at)
        if op == "%":
            return at.fsub(args[0], at.fmul(args[1], self._intrinsic("floor", at.fdiv(*args), at)))
        if op == "square":
            return at.fmul(args[0], args[0])
        return self._intrinsic({"ceil": "ceil", "int": "trunc", "abs": "fabs"}[op], args[0], at)

    def _intrinsic(self, name: str, value: Value, at: Value) -> Value:
        return at.call(self.module.declare_intrinsic(f"llvm.{name}", [DOUBLE]), [value])
