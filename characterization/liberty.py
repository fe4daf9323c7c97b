"""Liberty files to cell libraries.

Delay and slew tables that differ only in their `when` condition are merged
by their maximum (static timing must not be optimistic), energy tables by their mean.

Not modelled, and refused by name when a netlist uses them: latches other than clock gates, tri-states,
flip-flops with more than one data pin or with asynchronous set or reset.
"""

from __future__ import annotations

import itertools
import os
import pickle
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from characterization.cells import MAX_INPUTS, Cell, Floats, Library, Output, Sequential, Table
from characterization.library import cache_dir, sha256_of
from characterization.syntax import Group, numbers, parse_boolean, parse_groups
from dse.errors import RunError

_Key = TypeVar("_Key")
Edges = tuple[int, int]  # (input edge, output edge)
_READER = tuple(Path(__file__).with_name(name) for name in ("syntax.py", "cells.py", "liberty.py"))


def load_library(path: Path) -> Library:
    """Read a Liberty file; cached by its content and the reader's. Raises RunError if it is not understood."""
    digest = sha256_of(path)
    cached = cache_dir() / f"liberty-{digest[:16]}-{sha256_of(*_READER)[:16]}.pickle"
    if cached.exists():
        with cached.open("rb") as stream:
            library = pickle.load(stream)
            assert isinstance(library, Library)
            return library
    try:
        library = read_library(path.read_text(encoding="utf-8", errors="replace"), digest)
    except RunError as error:
        raise RunError(f"{path}: {error}") from error
    except (ValueError, LookupError) as error:  # a number, a name or an argument is not what or where it should be
        raise RunError(f"{path}: not a Liberty file that can be understood ({error!r})") from error
    with tempfile.NamedTemporaryFile(dir=cache_dir(), delete=False) as draft:
        pickle.dump(library, draft)
    os.replace(draft.name, cached)
    return library


def read_library(text: str, sha256: str = "") -> Library:
    """Build a Library from the text of a Liberty file. Raises RunError when it is not understood."""
    root = parse_groups(text)
    units = _Units.of(root)
    templates = {g.arguments[0]: g for g in root.all("lu_table_template", "power_lut_template")}
    reader = _CellReader(units, templates)
    return Library(
        name=root.arguments[0],
        sha256=sha256,
        voltage_v=root.number("nom_voltage"),
        temperature_c=root.number("nom_temperature"),
        cells={g.arguments[0]: reader.cell(g) for g in root.all("cell")},
        wire_cap_ff=_wire_caps(root, units),
    )


@dataclass(frozen=True)
class _Units:
    """Factors from the file's units to ns, fF and nW. Internal energy is in capacitance unit x V^2."""

    time_ns: float
    cap_ff: float
    leakage_nw: float

    @staticmethod
    def of(root: Group) -> _Units:
        cap = root.first("capacitive_load_unit")
        if cap is None:
            raise RunError("the Liberty file states no capacitive_load_unit")
        factor = {"ff": 1.0, "pf": 1e3}[cap.arguments[1].lower()]
        return _Units(
            time_ns=_si(root.get("time_unit", "1ns"), "s") * 1e9,
            cap_ff=float(cap.arguments[0]) * factor,
            leakage_nw=_si(root.get("leakage_power_unit", "1nW"), "W") * 1e9,
        )


def _si(text: str, unit: str) -> float:
    prefixes = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
    number = text.rstrip("smunpfWwS")
    return float(number) * prefixes[text[len(number) :].rstrip(unit + unit.lower())]


def _wire_caps(root: Group, units: _Units) -> Floats:
    """Capacitance at fan-out 0, 1, 2 ... of the default wire-load model; zero when the file has none."""
    models = {g.arguments[0]: g for g in root.all("wire_load")}
    model = models.get(root.get("default_wire_load"))
    if model is None:
        return np.zeros(2)
    points = {0: 0.0}
    for entry in model.all("fanout_length"):
        points[int(float(entry.arguments[0]))] = float(entry.arguments[1])
    last = max(points)
    points[last + 1] = points[last] + model.number("slope")
    lengths = np.interp(np.arange(last + 2), sorted(points), [points[n] for n in sorted(points)])
    return np.asarray(lengths * model.number("capacitance") * units.cap_ff, dtype=np.float64)


@dataclass(frozen=True)
class _CellReader:
    units: _Units
    templates: Mapping[str, Group]

    def cell(self, group: Group) -> Cell:
        pins = {p.arguments[0]: p for p in group.all("pin")}
        inputs = tuple(name for name, p in pins.items() if p.get("direction") == "input")
        driven = {name: p for name, p in pins.items() if p.get("direction") == "output"}
        clock_gate = bool(group.get("clock_gating_integrated_cell"))
        state = group.first("ff")
        sequential, problem = None, self._problem(group, inputs, driven, clock_gate, state)
        if not problem and (clock_gate or state):
            sequential = self._sequential(pins, clock_gate, state)
        outputs = () if problem else tuple(self._output(p, inputs, state, clock_gate) for p in driven.values())
        return Cell(
            name=group.arguments[0],
            area_um2=group.number("area"),
            leakage_nw=self._leakage(group),
            inputs=inputs,
            outputs=outputs,
            pin_cap_ff={name: pins[name].number("capacitance") * self.units.cap_ff for name in inputs},
            sequential=sequential,
            problem=problem,
        )

    @staticmethod
    def _problem(
        group: Group, inputs: Sequence[str], driven: Mapping[str, Group], clock_gate: bool, state: Group | None
    ) -> str:
        if group.first("latch") or any("three_state" in p.attributes for p in driven.values()):
            return "latches and tri-states are not supported"
        if any(p.get("direction") == "inout" for p in group.all("pin")):
            return "pads and bidirectional pins are not supported"
        if clock_gate:
            supported = group.get("clock_gating_integrated_cell") == "latch_posedge" and len(inputs) == 2
            return "" if supported else "only plain latch_posedge clock gates are supported"
        if state:
            plain = not {"clear", "preset"} & state.attributes.keys() and len(inputs) == 2
            rising = state.get("clocked_on").strip("() ") in inputs
            return "" if plain and rising else "only plain rising-edge D flip-flops are supported"
        return "" if len(inputs) <= MAX_INPUTS else f"cells with more than {MAX_INPUTS} inputs are not supported"

    def _leakage(self, group: Group) -> float:
        """The cell's stated leakage, else the mean over its states, in nW."""
        if "cell_leakage_power" in group.attributes:
            return group.number("cell_leakage_power") * self.units.leakage_nw
        states = [g.number("value") for g in group.all("leakage_power")]
        return float(np.mean(states)) * self.units.leakage_nw if states else 0.0

    def _output(self, pin: Group, inputs: tuple[str, ...], state: Group | None, clock_gate: bool) -> Output:
        delay: dict[tuple[str, int, int], list[Table]] = {}
        slew: dict[tuple[str, int, int], list[Table]] = {}
        energy: dict[tuple[str, int], list[Table]] = {}
        for timing in pin.all("timing"):
            for related, (before, after) in itertools.product(timing.get("related_pin").split(), _edges(timing)):
                edge = "rise" if after else "fall"
                self._add(delay, (related, before, after), timing.first(f"cell_{edge}"), self.units.time_ns)
                self._add(slew, (related, before, after), timing.first(f"{edge}_transition"), self.units.time_ns)
        for power in pin.all("internal_power"):
            for related, after in itertools.product(power.get("related_pin").split(), (0, 1)):
                table = power.first("rise_power" if after else "fall_power") or power.first("power")
                self._add(energy, (related, after), table, self.units.cap_ff)
        if clock_gate:
            truth = 0
        elif state:  # bit 0: value of the stored bit; the inverted output is named second in ff(IQ, IQN)
            truth = 0b01 if pin.get("function") == state.arguments[1] else 0b10
        else:
            truth = _truth(pin.get("function", "0"), inputs)
        return Output(
            pin=pin.arguments[0],
            truth=truth,
            max_load_ff=pin.number("max_capacitance", np.inf) * self.units.cap_ff,
            delay={key: _merge(tables, np.max) for key, tables in delay.items()},
            slew={key: _merge(tables, np.max) for key, tables in slew.items()},
            energy={key: _merge(tables, np.mean) for key, tables in energy.items()},
        )

    def _sequential(self, pins: Mapping[str, Group], clock_gate: bool, state: Group | None) -> Sequential:
        inputs = [name for name, p in pins.items() if p.get("direction") == "input"]
        if state:
            clock = state.get("clocked_on").strip("() ")
        else:
            clock = next(name for name in inputs if pins[name].get("clock_gate_clock_pin") == "true")
        data = next(name for name in inputs if name != clock)
        names = [name for name, p in pins.items() if p.get("direction") != "internal"]
        outputs = [name for name in names if name not in inputs]
        inverted = {name for name in outputs if state and pins[name].get("function") == state.arguments[1]}

        def given(d: int, q: int, clock_level: int) -> dict[str, int]:
            stored = {name: 1 - q if name in inverted else q for name in outputs}
            return {data: d, clock: clock_level, **stored}

        hold = [given(0, 0, 0)] if clock_gate else [given(0, 0, 0), given(1, 1, 0)]
        change = [given(0, 1, 0), given(1, 0, 0)]
        low = [given(0, 0, 0)] if clock_gate else [given(0, 0, 0), given(0, 1, 0)]
        return Sequential(
            is_clock_gate=clock_gate,
            clock=clock,
            data=data,
            setup=self._setup(pins[data]),
            data_energy={edge: self._hidden(pins[data], edge, low, ignore=data) for edge in (0, 1)},
            clock_energy={
                "rise_hold": self._hidden(pins[clock], 1, hold, ignore=clock),
                "rise_change": self._hidden(pins[clock], 1, change, ignore=clock),
                "fall": self._hidden(pins[clock], 0, hold, ignore=clock),
            },
        )

    def _setup(self, pin: Group) -> dict[int, Table]:
        found: dict[int, list[Table]] = {}
        for timing in pin.all("timing"):
            if timing.get("timing_type") == "setup_rising":
                for edge, kind in enumerate(("fall_constraint", "rise_constraint")):
                    self._add(found, edge, timing.first(kind), self.units.time_ns)
        return {edge: _merge(tables, np.max) for edge, tables in found.items()}

    def _hidden(self, pin: Group, edge: int, states: Iterable[Mapping[str, int]], ignore: str) -> Table:
        """Energy of an input edge that moves no output: mean over `states` of the groups that apply in them."""
        found: dict[str, list[Table]] = {"energy": []}
        for state in states:
            values = {name: np.array([bool(level)]) for name, level in state.items() if name != ignore}
            for power in pin.all("internal_power"):
                condition = power.get("when", "1")
                if bool(parse_boolean(condition)(values)[0]):
                    table = power.first("rise_power" if edge else "fall_power") or power.first("power")
                    self._add(found, "energy", table, self.units.cap_ff)
        return _merge(found["energy"], np.mean) if found["energy"] else _ZERO

    def _add(self, tables: dict[_Key, list[Table]], key: _Key, group: Group | None, scale: float) -> None:
        if group is not None:
            tables.setdefault(key, []).append(self._table(group, scale))

    def _table(self, group: Group, scale: float) -> Table:
        """Read one lookup table; axes come from the table or its template, in the order slew, load."""
        template = self.templates.get(group.arguments[0]) if group.arguments else None
        values = numbers(group.first("values"))
        axes = [numbers(group.first(f"index_{n}")) for n in (1, 2)]
        if template is not None:
            axes = [a if len(a) else numbers(template.first(f"index_{n}")) for n, a in enumerate(axes, 1)]
        kinds = [template.get(f"variable_{n}") if template is not None else "" for n in (1, 2)]
        if values.size == 1:
            return Table(np.zeros(1), np.zeros(1), values.reshape(1, 1) * scale)
        axes = [
            a * (self.units.cap_ff if "capacitance" in kind else self.units.time_ns)
            for a, kind in zip(axes, kinds, strict=True)
        ]
        if values.size == len(axes[0]):
            axes[1] = np.zeros(1)
        grid = values.reshape(len(axes[0]), -1) * scale
        if "capacitance" in kinds[0] or kinds[0] == "related_pin_transition":
            return Table(axes[1], axes[0], grid.T.copy())
        return Table(axes[0], axes[1], grid)


_ZERO = Table(np.zeros(1), np.zeros(1), np.zeros((1, 1)))


def _edges(timing: Group) -> list[Edges]:
    """The (input edge, output edge) pairs a timing group describes; none for constraints."""
    kind, sense = timing.get("timing_type", "combinational"), timing.get("timing_sense", "non_unate")
    if kind == "rising_edge":
        return [(1, 0), (1, 1)]
    if not kind.startswith("combinational"):
        return []
    if sense == "positive_unate":
        return [(0, 0), (1, 1)]
    if sense == "negative_unate":
        return [(0, 1), (1, 0)]
    return [(0, 0), (0, 1), (1, 0), (1, 1)]


def _truth(function: str, inputs: Sequence[str]) -> int:
    patterns = np.arange(1 << len(inputs))
    pins = {name: (patterns >> k & 1).astype(np.bool_) for k, name in enumerate(inputs)} or {"": patterns > 0}
    values = parse_boolean(function)(pins)
    return sum(1 << int(i) for i in np.flatnonzero(values))


def _merge(tables: Sequence[Table], reduce: Callable[..., object]) -> Table:
    """Combine tables element-wise on the axes of the finest one."""
    base = max(tables, key=lambda t: t.values.size)
    grids = [
        t.values if t.values.shape == base.values.shape and np.array_equal(t.rows, base.rows)
        and np.array_equal(t.columns, base.columns)
        else np.array([[t.at(r, c) for c in base.columns] for r in base.rows])
        for t in tables
    ]  # fmt: skip
    return Table(base.rows, base.columns, np.asarray(reduce(np.stack(grids), axis=0), dtype=np.float64))
