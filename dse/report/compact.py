"""Designs in few columns, for the terminal: axes merged into short ones, what never varies said once."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Any, TypeVar

from dse.metrics import METRICS
from dse.report.gains import MEAN, baselines_of, ratio_metrics
from dse.report.tables import WIDTH, Table, short
from dse.report.usable import clock_label, pe_label, short_flow
from dse.space import SPAD_AXES
from workloads.families import list_families

Row = Mapping[str, Any]
T = TypeVar("T")

# Heading, meaning ("": see `legend`), and how to show it.
DESIGN_COLUMNS: tuple[tuple[str, str, Callable[[Row], str]], ...] = (
    ("network", "", lambda row: row.get(NETWORK, NONE)),
    ("array", "PE rows x columns", lambda row: f"{row['rows']}x{row['cols']}"),
    ("spads", "words of ifmap/filter/psum spad", lambda row: _spads(row)),
    ("GLB", "KiB", lambda row: str(row["glb_kib"])),
    ("bus", "GLB bytes per cycle", lambda row: str(row["glb_bytes_per_cycle"])),
    ("DRAM", "GB/s", lambda row: f"{row['dram_gb_s']:g}"),
    ("batch", "ifmaps", lambda row: str(row["batch"])),
    ("MHz", "clock", lambda row: f"{row['clock_mhz']:.0f}"),
    ("flow", "what the dataflow keeps stationary", lambda row: short_flow(row["dataflow"])),
)
NETWORK = "network"  # key of a row's short name of its network ("workload") where networks compete
NONE = "-"  # a cell of an axis that does not apply
RATIO_METRICS = 2  # metrics beyond these show their value only, to fit the width
BASELINE_HEADINGS = {"int16": "xI16", "int8": "xI8"}


def varying(rows: Sequence[Row]) -> tuple[str, ...]:
    """Headings of the design columns that differ between rows."""
    return tuple(heading for heading, _, show in DESIGN_COLUMNS if len({show(row) for row in rows}) > 1)


def short_names(networks: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The beginning that all names share, or else the name of the family of some, and each name without it.

    A shared beginning ends with a `-` after which every name goes on with a letter, and for members of a family with
    the family's name, so that what is left can be read: `w16-32-64-d1-2-2`.
    """
    names = sorted(set(networks))
    places = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    shared = "".join(letters[0] for letters in places) if len(names) > 1 else ""
    of_family = {
        beginning for family in list_families() for name in names if name.startswith(beginning := f"{family}-")
    }
    shared = next((beginning for beginning in of_family if shared.startswith(beginning)), shared)
    ends = [place for place, letter in enumerate(shared, start=1) if letter == "-"]
    readable = [end for end in ends if all(name[end : end + 1].isalpha() for name in names)]
    beginning = of_family.pop() if len(of_family) == 1 and len(names) > 1 else ""
    beginning = shared[: readable[-1]] if readable else beginning
    return beginning, {name: name.removeprefix(beginning) for name in names}


def names_note(short: Mapping[str, str]) -> str:
    """What short names leave out; "" where they are whole."""
    cut = [(name, label) for name, label in short.items() if name != label]
    if not cut:
        return ""
    name, label = cut[0]
    if len(cut) == len(short):
        return f"all begin with {name.removesuffix(label)}, left out here"
    return f"{label} is short for {name}{', and so on' if len(cut) > 1 else ''}"


def legend(rows: Sequence[Row], metrics: Sequence[str]) -> str:
    """What the headings mean, what names leave out, and the columns that are the same for all rows."""
    shown = varying(rows)
    units = ", ".join(f"{name} in {METRICS[name].unit}" for name in metrics if METRICS[name].unit)
    axes = ", ".join(f"{heading}: {meaning}" for heading, meaning, _ in DESIGN_COLUMNS if meaning and heading in shown)
    note = names_note({row["workload"]: row[NETWORK] for row in rows}) if NETWORK in shown else ""
    names = note and f"network: {note}"
    whole = {**rows[0], NETWORK: rows[0]["workload"]} if NETWORK in rows[0] else rows[0]
    same = [(heading, show(whole)) for heading, _, show in DESIGN_COLUMNS if heading not in shown]
    fixed = ", ".join(f"{heading} {value}" for heading, value in same if value != NONE)
    bases = list(dict.fromkeys(base for own in shown_ratios(rows, metrics).values() for base in own))
    headings, labels = ", ".join(BASELINE_HEADINGS[base] for base in bases), ", ".join(map(pe_label, bases))
    ratio = f"{headings}: times better than the best {labels} design of the same network and clock setting"
    lines = [units, ratio if bases else "", names, axes, f"the same for all designs shown: {fixed}" if fixed else ""]
    return "\n".join(textwrap.fill(line, WIDTH, break_on_hyphens=False) for line in lines if line)


def shown_ratios(rows: Sequence[Row], metrics: Sequence[str]) -> dict[str, list[str]]:
    """The metrics whose gains are shown beside them, and over which baselines: as many as fit the width, none where
    networks compete."""
    compete = bool(rows) and NETWORK in rows[0]  # points then differ in accuracy
    return {} if compete else {name: baselines_of(rows, name) for name in ratio_metrics(metrics[:RATIO_METRICS])}


def compact(title: str, rows: Sequence[Row], metrics: Sequence[str], columns: Sequence[str]) -> Table:
    """One line per design: PE type, metrics with their gains, and the given design columns."""
    shown = [(heading, show) for heading, _, show in DESIGN_COLUMNS if heading in columns]
    headings = ["PE type"]
    ratios = shown_ratios(rows, metrics)
    for name in metrics:
        headings += [name, *(BASELINE_HEADINGS[base] for base in ratios.get(name, ()))]
    lines = []
    for row in rows:
        cells: list[Any] = [pe_label(row["pe_type"])]
        for name in metrics:
            cells.append(row[METRICS[name].column])
            cells += [_ratio(row[f"{name}_vs_{base}"]) for base in ratios.get(name, ())]
        lines.append((*cells, *(show(row) for _, show in shown)))
    return Table("", title, (*headings, *(heading for heading, _ in shown)), tuple(lines))


def mean_gains(gains: Sequence[Row], group: str = "network") -> Table:
    """Geometric means over the networks (or data sets): a line per PE type, a column per metric and clock setting.

    Cells are xI16 / xI8, or the one there is.
    """
    bases = baselines_of(gains)
    means = [row for row in gains if row["workload"] == MEAN]
    keys = list(dict.fromkeys((row["metric"], row["clock_setting"]) for row in means))[: 2 * RATIO_METRICS]
    cells = {
        (row["pe_type"], row["metric"], row["clock_setting"]): " / ".join(
            _ratio(row[f"gain_vs_{base}"]) or NONE for base in bases
        )
        for row in means
    }
    types = dict.fromkeys(row["pe_type"] for row in means)
    title = f"Best over {' / '.join(f'best {pe_label(base)}' for base in bases)}, {_mean_of(gains, group)}"
    headings = [f"{metric}\n{clock_label(clock)}" for metric, clock in keys]
    lines = tuple((pe_label(name), *(cells.get((name, *key), "") for key in keys)) for name in types)
    return Table("", title, ("PE type", *headings), lines)


def mean_dataflows(rows: Sequence[Row], group: str = "network") -> Table:
    """Geometric means over the networks (or data sets): a line per PE type and dataflow, columns as in `mean_gains`."""
    means = [row for row in rows if row["workload"] == MEAN]
    keys = list(dict.fromkeys((row["metric"], row["clock_setting"]) for row in means))
    cells = {
        (row["pe_type"], row["dataflow"], row["metric"], row["clock_setting"]): _ratio(row["vs_best"]) for row in means
    }
    lines = tuple(
        (pe_label(pe), short_flow(flow), *(cells.get((pe, flow, *key), NONE) for key in keys))
        for pe, flow in dict.fromkeys(name[:2] for name in cells)
    )
    headings = [f"{metric}\n{clock_label(clock)}" for metric, clock in keys]
    title = f"Best of each dataflow over the best of all, {_mean_of(rows, group)}"
    return Table("", title, ("PE type", "flow", *headings), lines)


def thinned(rows: Sequence[T], limit: int) -> list[T]:
    """At most `limit` rows, evenly spread, first and last included."""
    if len(rows) <= limit:
        return list(rows)
    return [rows[round(i * (len(rows) - 1) / (limit - 1))] for i in range(limit)]


def _mean_of(rows: Sequence[Row], group: str) -> str:
    networks = len({row["workload"] for row in rows}) - 1
    return f"geometric mean of {networks} {group}{'s'[networks == 1 :]}"


def _spads(row: Row) -> str:
    words = [row[name] for name in SPAD_AXES]
    return NONE if None in words else "/".join(map(str, words))


def _ratio(value: float | None) -> str:
    return "" if value is None else short(value)
