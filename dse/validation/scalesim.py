"""The systolic dataflows against SCALE-Sim, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from dse.dataflow import load_dataflow
from dse.dataflow._systolic import FILL_ARRAY
from dse.report.tables import Table
from dse.space import Designs
from dse.traffic import OperandBits, Pins, Traffic
from dse.validation import Check, Comparison, Figure
from dse.validation._reference import FOLDER, Row, read_reference
from workloads.layer import Layer
from workloads.scalesim import CONV_COLUMNS, read_topology
from workloads.table import split_table

ORDER = 5
CYCLES = "cycles"
DATAFLOWS = {"ws": "weight_stationary", "os": "output_stationary", "is": "input_stationary"}
SHAPE = ("ifmap_h", "ifmap_w", "filt_h", "filt_w", "chan", "nfilt", "stride")
BITS = OperandBits(8, 8, 32)  # cycles do not depend on widths

TEXT = """
Cycles of weight, output and input stationary arrays for whole networks and for single layers of unusual shape, on
arrays from 1 x 1 PE up. The model runs each layer as one tile (all `*_parts` 1) and fills the whole array at every
fold (`fill=2`), as SCALE-Sim does; by default it fills only the PEs in use and is never slower. Both count cycles
without memory stalls.

Equal counts show that folds, skew and drain are SCALE-Sim's. They do not show that an array built so would run so:
that is another simulator, not hardware; GLB stalls, tiles and DRAM traffic are the model's own and are not
compared."""


@dataclass(frozen=True)
class Case:
    """A row of one of SCALE-Sim's tables."""

    table: str
    row: Row

    @property
    def name(self) -> str:
        """Which case it is, in words."""
        dataflow = DATAFLOWS[self.row["dataflow"]].replace("_", " ")
        return f"{self.row['layer']}, {self.row['array_h']} x {self.row['array_w']}, {dataflow}"

    @property
    def designs(self) -> Designs:
        """The array."""
        sides = {"rows": int(self.row["array_h"]), "cols": int(self.row["array_w"])}
        return Designs.of("int8", DATAFLOWS[self.row["dataflow"]], sides).without_spads()

    @property
    def layer(self) -> Layer:
        """The layer, its output size rounded up as in SCALE-Sim."""
        lines = (CONV_COLUMNS, [self.row["layer"], *(self.row[name] for name in SHAPE)])
        found, problems = read_topology(split_table("\n".join(map(",".join, lines)), self.table), CONV_COLUMNS)
        if problems:
            raise ValueError(f"{self.table}: {problems[0]}")
        return found[0]


def compare() -> Comparison:
    """Every row of every table."""
    figures: dict[str, list[Figure]] = {}
    for case in cases():
        traffic = whole_layer(case.layer, case.designs, {"fill": FILL_ARRAY})
        cycles = int(traffic.compute_cycles[0] + traffic.overhead_cycles[0])
        figure = Figure(f"{case.table}: {case.name}", CYCLES, cycles, int(case.row["compute_cycles"]))
        figures.setdefault(case.table, []).append(figure)
    everything = tuple(figure for each in figures.values() for figure in each)
    different = [figure for figure in everything if figure.ours != figure.theirs]
    tables = [_summary(figures)]
    if different:
        rows = [{"row": figure.item, **figure.cells("model", "SCALE-Sim")} for figure in different]
        tables.append(Table.of("scalesim_different", "Rows that differ", rows))
    return Comparison(
        name="scalesim",
        title="SCALE-Sim, systolic arrays",
        source=source(),
        text=TEXT,
        tables=tuple(tables),
        figures=everything,
        checks=(Check("rows whose cycles differ", len(different), 0, f"of {len(everything)}"),),
    )


def source() -> str:
    """What the tables say of their origin, in their first line."""
    first = next(iter(table_names()))
    with (FOLDER / f"{first}.csv").open(encoding="utf-8") as file:
        return file.readline().removeprefix("# ").partition(":")[0].strip()


@cache
def cases() -> tuple[Case, ...]:
    """All rows of all tables."""
    return tuple(Case(name.removeprefix("scalesim/"), row) for name in table_names() for row in read_reference(name))


def table_names() -> tuple[str, ...]:
    """The tables of SCALE-Sim's counts among the references."""
    return tuple(sorted(f"scalesim/{path.stem}" for path in (FOLDER / "scalesim").glob("*.csv")))


def whole_layer(layer: Layer, designs: Designs, pins: Pins) -> Traffic:
    """The layer as one tile."""
    flow = load_dataflow(designs.dataflow)
    whole = {name: np.ones(1, np.int64) for name in flow.PARAMETERS}
    return flow.traffic(
        flow.geometry(layer), designs, BITS, flow.complete(flow.geometry(layer), designs, BITS, whole, pins)
    )


def _summary(figures: dict[str, list[Figure]]) -> Table:
    rows: list[dict[str, Any]] = [
        {"table": name, "rows": len(each), "equal": sum(figure.ours == figure.theirs for figure in each)}
        for name, each in figures.items()
    ]
    sums = {key: sum(row[key] for row in rows) for key in ("rows", "equal")}
    return Table.of(
        "scalesim", "Rows of SCALE-Sim's tables (network, array, dataflow)", [*rows, {"table": "all", **sums}]
    )
