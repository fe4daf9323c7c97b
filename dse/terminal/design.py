"""`dse evaluate`: one design on one workload, as a table for people, CSV or JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import dse
from dse.config import workload_sha256
from dse.dataflow import load_dataflow
from dse.layers import evaluate_design
from dse.metrics import AREA_PARTS, CYCLE_PARTS, ENERGY_PARTS, METRICS
from dse.points import CYCLE_COLUMNS
from dse.provenance import pe_sha256
from dse.report.tables import WIDTH, Table, short, to_csv, to_terminal
from dse.space import NUMERIC_AXES, Designs
from dse.technology import Technology
from pe_library.model import load_pe_type
from workloads.layer import Workload

Row = dict[str, Any]

LAYER_COLUMNS = ("layer", "count", "mmacs", "cycles", "stall %", "utilization", "energy_mj", "dram_mb", "mapping")


@dataclass(frozen=True)
class DesignReport:
    """What `dse evaluate` shows; `layers` has one row per layer of the network, for all its instances together."""

    provenance: Row
    totals: Row
    layers: tuple[Row, ...]
    mapping: tuple[str, ...]  # names of the mapping parameters
    free: tuple[Row, tuple[Row, ...]] | None  # totals and layers without pins, where there are pins

    def render(self, form: str) -> str:
        """The report as `table`, `csv` (the layers) or `json` text."""
        return {"table": self.table, "csv": self.csv, "json": self.json}[form]()

    def json(self) -> str:
        """Object of provenance, totals and layers, keys being the column names of points.parquet.

        Where the mapping is pinned, `free_search` holds the totals and layers without pins.
        """
        content = {"provenance": self.provenance, "totals": self.totals, "layers": self.layers}
        if self.free:
            content["free_search"] = {"totals": self.free[0], "layers": self.free[1]}
        return json.dumps(content, indent=1, allow_nan=False) + "\n"

    def csv(self) -> str:
        """The layers, every column."""
        source = ("dse", "workload_sha256", "pe_model_sha256", "objective")
        pins = [f"{name}={value}" for name, value in self.provenance["mapping"].items()]
        provenance = " ".join([*(f"{key} {self.provenance[key]}" for key in source), *pins, *self._unusual()])
        return to_csv(Table.of("layers", "", self.layers), provenance)

    def table(self) -> str:
        """Totals with their parts, then the main columns of each layer."""
        values = {axis.name: self.totals[axis.name] for axis in NUMERIC_AXES if axis.name != "clock_mhz"}
        axes = ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)
        design = textwrap.fill(", ".join([axes, f"clock {_clock(self.totals)}", *self._unusual()]), WIDTH)
        pe = load_pe_type(self.totals["pe_type"]).label
        title = f"{self.totals['workload']} on {pe}, {self.totals['dataflow']}\n{design}"
        if not self.totals["feasible"]:
            return f"{title}\nnot feasible: {self.totals['reason']}{self._where()}\n"
        tables = [
            self._metrics(title),
            Table.of("layers", "Layers", [self._layer(row) for row in self.layers], self._note()),
        ]
        if self.free and self.free[0]["feasible"]:
            title = "The same layers, mapping not pinned"
            tables.append(Table.of("free", title, [self._layer(row) for row in self.free[1]], self._against_free()))
        return "\n".join(to_terminal(table) for table in tables)

    def _metrics(self, title: str) -> Table:
        """Values of the metrics that are known, their digits aligned."""
        known = [metric for metric in METRICS.values() if self.totals[metric.column] is not None]
        values = [short(self.totals[metric.column], metric.name) for metric in known]
        width = max(map(len, values))
        rows = ((metric.name, text.rjust(width), metric.unit) for metric, text in zip(known, values, strict=True))
        return Table("totals", title, ("metric", "value".rjust(width), "unit"), tuple(rows), self._parts())

    def _against_free(self) -> str:
        """Cycles and energy of the pinned mapping over those of the free search."""
        assert self.free
        free = self.free[0]
        ratios = ", ".join(
            f"{what} {sum(self.totals[name] for name in names) / sum(free[name] for name in names):.3f}"
            for what, names in (("cycles", CYCLE_COLUMNS), ("energy", ["energy_mj"]))
        )
        return f"pinned over free: {ratios}"

    def _unusual(self) -> list[str]:
        """What of the technology is not the default."""
        given, default = (_flat(each) for each in (self.provenance["technology"], asdict(Technology())))
        return [f"{name} {value}" for name, value in given.items() if value != default[name]]

    def _where(self) -> str:
        failing = [row["layer"] for row in self.layers if row["reason"] == self.totals["reason"]]
        return f" (in layer {failing[0]})" if 0 < len(failing) < len(self.layers) else ""

    def _parts(self) -> str:
        evidence, error = (self.totals[f"accuracy_{name}"] for name in ("evidence", "error_percent"))
        of_error = "" if error is None else f", \N{PLUS-MINUS SIGN}{error:.2f}"
        accuracy = [] if evidence is None else [f"accuracy: {evidence}{of_error}"]
        shares = "\n".join(
            f"{what}: " + ", ".join(f"{part} {100 * value / total:.1f} %" for part, value in shares.items())
            for what, shares in (
                ("energy", {part: self.totals[f"energy_{part}_mj"] for part in ENERGY_PARTS}),
                ("cycles", {part: self.totals[f"{part}_cycles"] for part in CYCLE_PARTS}),
                ("area", {part: self.totals[f"area_{part}_mm2"] for part in AREA_PARTS}),
            )
            if (total := sum(shares.values()))
        )
        return "\n".join([shares, *accuracy])

    def _note(self) -> str:
        objective = self.provenance["objective"]
        return f"mapping: {' '.join(self.mapping)}, chosen for {objective} unless pinned; --format csv has all columns"

    def _layer(self, row: Row) -> Row:
        cycles = sum(row[name] for name in CYCLE_COLUMNS)
        stalls = row["glb_stall_cycles"] + row["dram_stall_cycles"]
        mapping = " ".join(str(row[name]) for name in self.mapping)
        derived = {"mmacs": row["macs"] / 1e6, "cycles": cycles, "stall %": 100 * stalls / cycles, "mapping": mapping}
        return {name: derived.get(name, row.get(name)) for name in LAYER_COLUMNS}


def report_design(
    designs: Designs, workload: Workload, objective: str, pins: Mapping[str, int], technology: Technology
) -> DesignReport:
    """Evaluate a scalar design, with pins also without them."""
    totals, layers = evaluate_design(designs, workload, technology, objective, pins)
    free = evaluate_design(designs, workload, technology, objective, {}) if pins else None
    provenance = {
        "dse": dse.__version__,
        "workload_sha256": workload_sha256(workload),
        "pe_model_sha256": pe_sha256(designs.pe_type, designs.dataflow),
        "accuracy_source": known.source if (known := workload.accuracy(designs.pe_type)) else None,
        "objective": objective,
        "mapping": dict(pins),
        "technology": asdict(technology),
    }
    beside = (free[0], tuple(free[1])) if free else None
    return DesignReport(provenance, totals, tuple(layers), load_dataflow(designs.dataflow).PARAMETERS, beside)


def _flat(technology: Row) -> Row:
    """Its settings and those of its parts."""
    parts = {name: value if isinstance(value, dict) else {name: value} for name, value in technology.items()}
    return {name: value for part in parts.values() for name, value in part.items()}


def _clock(totals: Row) -> str:
    actual = f"{short(totals['clock_mhz'])} MHz"
    return f"{actual} (its maximum)" if totals["clock_setting"] == "max" else actual
