"""The tables of measured PEs: which points, how they are measured, written, and compared with what is shipped.

Per PE type `synthesis.csv` holds 20 points of a scrambled Sobol sequence over the characterized range (role `fit`)
and its 8 corners (role `corner`); `heldout.csv` holds 8 points of another sequence. All types share the points.
`systolic.csv` holds the PE of each systolic dataflow, which has no spads and so one point.
Numbers are written with DIGITS significant digits; the flow is deterministic, so a repeat gives the same bytes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import qmc

from characterization.liberty import load_library
from characterization.library import cache_dir, resolve_liberty, sha256_of
from characterization.measure import DEPTHS, measure_point
from characterization.synthesis import ROOT, rtl_sha256, yosys_version
from characterization.systolic import measure_systolic
from dse.errors import RunError
from pe_library.registers import STATIONARY

RANGES = dict(zip(DEPTHS, ((8, 48), (32, 448), (8, 48)), strict=True))
FIT_POINTS, HELDOUT_POINTS = 20, 8
FIT_SEED, HELDOUT_SEED = 1, 2
DIGITS = 6
FILES = {"fit": "synthesis.csv", "corner": "synthesis.csv", "heldout": "heldout.csv"}
# The modules that decide what a point measures.
FLOW = ("syntax", "cells", "liberty", "netlist", "timing", "activity", "power", "stimulus", "measure", "synthesis")
STATIC = (
    *("area_um2", "area_ifmap_um2", "area_filter_um2", "area_psum_um2", "area_mac_um2", "area_control_um2"),
    "leakage_uw",
    *("min_period_ns", "period_ifmap_ns", "period_filter_ns", "period_psum_ns", "period_mac_ns", "period_control_ns"),
)
PROVENANCE = (
    *("seed", "stimulus", "yosys", "liberty_sha256", "rtl_sha256", "voltage_v", "temperature_c", "source"),
)  # fmt: skip
COLUMNS = (
    *DEPTHS,
    *STATIC,
    *("clock_pj", "control_pj", "mac_pj", "ifmap_read_pj", "ifmap_write_pj", "filter_read_pj", "filter_write_pj"),
    *("psum_read_pj", "psum_write_pj", "run_pj", "all_pj", "all_residual_pct"),
    "role",
    *PROVENANCE,
)
SYSTOLIC_FILE = "systolic.csv"
SYSTOLIC_COLUMNS = (
    "dataflow",
    *STATIC,
    *("clock_pj", "control_pj", "mac_pj", "ifmap_write_pj", "filter_write_pj", "psum_write_pj", "shift_pj"),
    *("run_pj", "all_pj", "all_residual_pct"),
    *PROVENANCE,
)

Depths = tuple[int, int, int]
Texts = Mapping[str, str]  # one row as it stands in the CSV
Progress = Callable[[int, int, str], None]
"""Called after every point with: points done, points in all, what was measured."""


@dataclass(frozen=True)
class Point:
    """One row to measure: PE type, role (fit, corner, heldout) and spad depths in words."""

    pe_type: str
    role: str
    depths: Depths


@dataclass(frozen=True)
class Comparison:
    """A freshly measured row, and where it differs from the shipped one: (column, shipped, measured) as text."""

    point: Point
    measured: Texts
    differences: tuple[tuple[str, str, str], ...]

    @property
    def equal(self) -> bool:
        """Whether every column came out as shipped."""
        return not self.differences


def plan(pe_type: str) -> tuple[Point, ...]:
    """All points of a PE type, in the order of the files: fit, corner, then heldout, each sorted by depths."""
    corners = [(i, f, p) for i, f, p in itertools.product(*RANGES.values())]
    drawn: dict[str, list[Depths]] = {
        "fit": _sobol(FIT_POINTS, FIT_SEED),
        "corner": corners,
        "heldout": _sobol(HELDOUT_POINTS, HELDOUT_SEED),
    }
    return tuple(Point(pe_type, role, depths) for role, points in drawn.items() for depths in sorted(points))


def _sobol(count: int, seed: int) -> list[Depths]:
    sampler = qmc.Sobol(d=len(RANGES), scramble=True, seed=seed)
    unit = sampler.random_base2((count - 1).bit_length())[:count]
    low, high = np.array(list(RANGES.values())).T
    scaled = np.floor(low + unit * (high - low + 1)).astype(int)
    return [(int(a), int(b), int(c)) for a, b, c in scaled]


def characterize(
    pe_types: Sequence[str], points: int | None, jobs: int, liberty: Path | None, progress: Progress
) -> tuple[Comparison, ...]:
    """Measure PEs with `jobs` processes and compare them with the shipped rows, which stay as they are.

    With `points` the first so many shipped rows of each type are measured again. Without, all points of `plan` are,
    in its order; an interrupted run goes on where it stopped. Raises RunError if a tool, the library or a shipped row
    is missing.
    """
    path = resolve_liberty(liberty)
    load_library(path)  # read once, before several processes want it
    rows: dict[Point, Texts] = {}
    stores = {pe_type: _store(pe_type, path) for pe_type in pe_types}
    if points is None:
        todo = [point for pe_type in pe_types for point in plan(pe_type)]
        for point in todo:
            if (row := _recall(stores[point.pe_type], point)) is not None:
                rows[point] = row
    else:
        todo = [point for pe_type in pe_types for point in _shipped_points(pe_type, points)]
    for point, row in _measure_all([point for point in todo if point not in rows], jobs, path):
        rows[point] = row
        _remember(stores[point.pe_type], point, row)
        progress(len(rows), len(todo), f"{point.pe_type} {'/'.join(map(str, point.depths))} words")
    return tuple(_compare(point, rows[point]) for point in todo)


def _measure_all(points: Sequence[Point], jobs: int, liberty: Path) -> Iterator[tuple[Point, Texts]]:
    """Measure points, in this process or in several; rows come as they are ready."""
    if jobs <= 1:
        for point in points:
            yield point, _measure(point, liberty)
        return
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    try:
        running = {pool.submit(_measure, point, liberty): point for point in points}
        for future in as_completed(running):
            yield running[future], future.result()
    finally:  # not `with`: after an error or an interrupt that would measure all that still waits
        pool.shutdown(cancel_futures=True)


def _measure(point: Point, liberty: Path) -> Texts:
    row = {**measure_point(point.pe_type, *point.depths, liberty), "role": point.role}
    return {name: _text(row[name]) for name in COLUMNS}


def systolic_row(pe_type: str, dataflow: str, liberty: Path | None) -> Texts:
    """Measure the PE of a systolic dataflow: its row of `systolic.csv`."""
    row = measure_systolic(pe_type, dataflow, liberty)
    return {name: _text(row[name]) for name in SYSTOLIC_COLUMNS}


def systolic_rows(pe_type: str, liberty: Path | None) -> tuple[Texts, ...]:
    """Measure all systolic PEs of a type."""
    return tuple(systolic_row(pe_type, dataflow, liberty) for dataflow in STATIONARY)


def _text(value: float | int | str) -> str:
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)


def _table(pe_type: str, role: str) -> Path:
    return ROOT / "pe_library" / pe_type / FILES[role]


def _shipped(pe_type: str, role: str) -> list[Texts]:
    path = _table(pe_type, role)
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _shipped_points(pe_type: str, count: int) -> list[Point]:
    rows = _shipped(pe_type, "fit")
    if not rows:
        raise RunError(f"no shipped points: {_table(pe_type, 'fit')} does not exist")
    return [Point(pe_type, row["role"], _depths(row)) for row in rows[:count]]


def _depths(row: Texts) -> Depths:
    ifmap, filter_, psum = (int(row[name]) for name in DEPTHS)
    return ifmap, filter_, psum


def _compare(point: Point, measured: Texts) -> Comparison:
    shipped = next((row for row in _shipped(point.pe_type, point.role) if _depths(row) == point.depths), {})
    pairs = [(name, shipped.get(name, ""), measured[name]) for name in COLUMNS]
    return Comparison(point, measured, tuple(pair for pair in pairs if pair[1] != pair[2]))


def write_tables(rows: Sequence[Texts], systolic: Sequence[Texts], folder: Path) -> None:
    """Write the rows of one PE type to `synthesis.csv`, `heldout.csv` and `systolic.csv` in `folder`."""
    for file in dict.fromkeys(FILES.values()):
        _write_csv(folder / file, COLUMNS, [row for row in rows if FILES[row["role"]] == file])
    _write_csv(folder / SYSTOLIC_FILE, SYSTOLIC_COLUMNS, systolic)


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[Texts]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8", newline="\n")


def _store(pe_type: str, liberty: Path) -> Path:
    """Folder where measured points wait until their type is complete; its name changes with all they depend on."""
    sources = [ROOT / "characterization" / f"{name}.py" for name in FLOW]
    library = ROOT / "pe_library"
    sources += [library / "codes.py", library / pe_type / "mac.py", library / pe_type / "pe.yaml"]
    fixed = [rtl_sha256(pe_type), sha256_of(*sources), load_library(liberty).sha256, yosys_version()]
    key = hashlib.sha256(" ".join(fixed).encode()).hexdigest()
    folder = cache_dir() / "points" / f"{pe_type}-{key[:32]}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _stored(folder: Path, point: Point) -> Path:
    return folder / ("-".join([point.role, *map(str, point.depths)]) + ".json")


def _recall(folder: Path, point: Point) -> Texts | None:
    path = _stored(folder, point)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _remember(folder: Path, point: Point, row: Texts) -> None:
    path = _stored(folder, point)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(row), encoding="utf-8")
    os.replace(draft, path)
