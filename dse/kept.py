"""Rows of points that are worth keeping of a space too large to keep: exact fronts, or the best.

A row is *usable* when it is feasible, within the constraints of the study, and has all its objectives: an accuracy may
be missing. Kept are, of each workload (or the workloads that compete, see `Study.contests`) and PE type, over all
dataflows, the usable rows that no other one dominates in the objectives of the study (`keep: front`), or the N best by
the first objective, ties by the others in order, then by design id (`keep: {top: N}`). Both are the same whatever
pieces they are found in: what a piece leaves out, a larger piece leaves out too. So memory is that of what is kept and
of one block.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dse.block_points import block_points, canonical, failed_points
from dse.config import Study
from dse.metrics import METRICS
from dse.pareto import non_dominated
from dse.points import SCHEMA
from dse.selection import Piece
from dse.space import BoolArray, FloatArray

Report = Callable[[int, int], None]  # designs decided, rows kept
TALLY = b"tally"
MAPPED_DESIGNS = 1 << 16  # at a time, where all but a front is left unpriced in full


@dataclass(frozen=True)
class Tally:
    """Designs decided; points that are feasible (None: not all were evaluated), and those whose evaluation failed."""

    designs: int = 0
    feasible: int | None = 0
    failed: int = 0

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        known = self.feasible is not None and other.feasible is not None
        feasible = (self.feasible or 0) + (other.feasible or 0) if known else None
        return Tally(self.designs + other.designs, feasible, self.failed + other.failed)


@dataclass(frozen=True)
class Kept:
    """What is kept of all designs so far, by PE type."""

    study: Study
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    tally: Tally = Tally()

    @property
    def rows(self) -> int:
        """How many rows are kept."""
        return sum(table.num_rows for table in self.tables.values())

    def plus(self, points: pa.Table, tally: Tally) -> Kept:
        """This and further points (as `dse.points.SCHEMA`), which stand for so many designs."""
        tables = dict(self.tables)
        for pe_type in pc.unique(points["pe_type"]).to_pylist():
            own = points.filter(pc.equal(points["pe_type"], pe_type))
            found = [tables[pe_type], own] if pe_type in tables else [own]
            tables[pe_type] = best(self.study, usable(self.study, pa.concat_tables(found).unify_dictionaries()))
        return replace(self, tables=tables, tally=self.tally.plus(tally))

    def plus_part(self, part: pa.Table) -> Kept:
        """This and what `part` made of other pieces."""
        tally = Tally(**json.loads(part.schema.metadata[TALLY]))
        return self.plus(part.replace_schema_metadata(None), tally)

    def part(self) -> pa.Table:
        """All of it as one table, the tally in its metadata."""
        return self.table().replace_schema_metadata({TALLY: json.dumps(vars(self.tally))})

    def table(self) -> pa.Table:
        """The rows by design id, then in the order of the workloads; equal rows are equal bytes."""
        tables = list(self.tables.values()) or [SCHEMA.empty_table()]
        points = pa.concat_tables(tables).unify_dictionaries()
        place = {workload.name: number for number, workload in enumerate(self.study.workloads)}
        workloads = np.array([place[name] for name in points["workload"].to_pylist()], np.int64)
        return canonical([points.take(np.lexsort((workloads, points["design_id"].to_numpy())))])


def piece_part(study: Study, block_designs: int, piece: Piece) -> pa.Table:
    """What is kept of a piece, as a part: every design is evaluated, in blocks of at most so many."""
    from dse.pruned.search import can_prune, mapped_points

    kept = Kept(study)
    if study.keep.what == "front" and can_prune(study):
        points, feasible = mapped_points(study, piece.grid, piece.blocks(MAPPED_DESIGNS))
        return kept.plus(points, Tally(piece.designs, feasible)).part()
    for block in piece.blocks(block_designs):
        points = block_points(study, block)
        feasible = int(pc.sum(points["feasible"]).as_py() or 0)
        kept = kept.plus(points, Tally(len(block.design_ids), feasible, failed_points(points)))
    return kept.part()


def pruned_part(study: Study, report: Report | None, piece: Piece) -> pa.Table:
    """The front of a piece as a part: most designs are decided by bounds."""
    from dse.pruned.search import grid_points

    arguments = (study, piece.grid, piece.ids)
    points = grid_points(*arguments) if report is None else grid_points(*arguments, report)
    return Kept(study).plus(points, Tally(piece.designs, None)).part()


def usable(study: Study, points: pa.Table) -> pa.Table:
    """The rows that are feasible and within the constraints."""
    points = points.filter(points["feasible"])
    within = np.ones(points.num_rows, bool)
    for name in study.objectives:  # an accuracy may be missing
        within &= ~np.isnan(_values(points, name))
    for limit in study.constraints:
        value = _values(points, limit.metric)
        within &= limit.minimum is None or value >= limit.minimum
        within &= limit.maximum is None or value <= limit.maximum
    return points.filter(pa.array(within))


def best(study: Study, points: pa.Table) -> pa.Table:
    """Of usable rows of one PE type those to keep, for each workload or contest of several."""
    chosen = np.zeros(points.num_rows, bool)
    for contest in study.contests:
        names = pa.array([study.workloads[index].name for index in contest])
        own = np.flatnonzero(pc.is_in(points["workload"].cast(pa.string()), names).to_numpy())
        chosen[own] = _chosen(study, points.take(own))
    return points.filter(pa.array(chosen))


def _chosen(study: Study, points: pa.Table) -> BoolArray:
    """Flags of the rows to keep of one contest and PE type."""
    if study.keep.what == "front":
        values = np.stack([_values(points, name) for name in study.objectives], axis=1)
        return non_dominated(values, [METRICS[name].maximize for name in study.objectives])
    costs = [_values(points, name) * (-1 if METRICS[name].maximize else 1) for name in study.objectives]
    flags = np.zeros(points.num_rows, bool)
    flags[np.lexsort((points["design_id"].to_numpy(), *reversed(costs)))[: study.keep.n]] = True
    return flags


def _values(points: pa.Table, metric: str) -> FloatArray:
    return np.asarray(pc.fill_null(points[METRICS[metric].column], np.nan).to_numpy(), np.float64)
