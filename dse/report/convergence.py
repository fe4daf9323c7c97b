"""How a search closed in on its front: the front itself, and hypervolume against evaluations as a table and a figure.

The hypervolume is the volume that the front found so far dominates, up to a reference point. All rows are on one scale:
the final front ranges from 0 (its best) to 1 (its worst) in every objective, and the reference point is at 1.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dse.config import Study
from dse.metrics import METRICS, of_networks
from dse.optimizers._candidates import runs_of
from dse.optimizers._exploration import Trace, non_dominated_rows
from dse.optimizers._hypervolume import Scale, hypervolume
from dse.optimizers._lattice import IntArray
from dse.optimizers._scores import values_of
from dse.points import clock_setting
from dse.report.tables import Table, to_csv
from dse.run_directory import written
from dse.space import NUMERIC_AXES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = dict[str, Any]

RECORDS = 100  # rounds that are recorded at most, evenly spread, the last included
PANEL_IN = 2.0  # height of the figure
AXES = tuple(axis.name for axis in NUMERIC_AXES)


def convergence(trace: Trace) -> list[Row]:
    """Per recorded round: evaluations so far, hypervolume of the front and its number of distinct points."""
    front = trace.front
    scale = Scale.of(trace.scores.costs[front]) if len(front) else None
    rows, found, last = [], np.empty(0, np.int64), 0
    for end in _recorded(trace.rounds):
        seen = np.concatenate([found, np.arange(last, end)])
        found, last = seen[non_dominated_rows(trace.scores.take(seen))], end
        costs = np.unique(trace.scores.costs[found], axis=0)
        volume = hypervolume(costs, scale) if scale else 0.0
        rows.append({"evaluations": int(end), "hypervolume": volume, "front_size": len(costs)})
    return rows


def write_convergence(study: Study, trace: Trace, stem: Path, provenance: str) -> None:
    """Write `<stem>.csv` and, where a usable design was found, the figure as `<stem>.png` and `<stem>.pdf`."""
    from dse.report.figures import save

    rows = convergence(trace)
    front = trace.scores.costs[trace.front]
    table = Table.of("convergence", "Convergence", rows)
    with written(stem.with_suffix(".csv")) as file:
        file.write(to_csv(table, f"{provenance}; {_scale_text(study.objectives, front)}").encode())
    if len(front):
        title = f"{study.name}: {study.optimization.algorithm}, seed {study.optimization.seed}"
        save(partial(draw, rows, title), stem, provenance)


def write_front(study: Study, trace: Trace, path: Path, provenance: str) -> None:
    """Write the front as CSV: id and axes of the designs, networks where they compete, objectives; best of the first
    objective first."""
    rows = trace.front[np.lexsort((trace.ids[trace.front], *trace.scores.costs[trace.front].T[::-1]))]
    values = values_of(study.objectives, trace.scores.costs[rows])
    columns = [METRICS[name].column for name in study.objectives]
    lines = [
        {**candidate, **dict(zip(columns, each, strict=True))}
        for candidate, each in zip(_candidates(study, trace.ids[rows]), values.tolist(), strict=True)
    ]
    alone = len(study.workloads) == 1 or of_networks(study.objectives)
    mean = "" if alone else f"; geometric means over {len(study.workloads)} workloads"
    with written(path) as file:
        file.write(to_csv(Table.of("front", "Front", lines), provenance + mean).encode())


def draw(rows: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Share of the final hypervolume, and size of the front, against evaluations."""
    from dse.report.figures._style import DOUBLE_IN, grid

    figure, (volume, size) = grid(2, DOUBLE_IN, PANEL_IN, 2)
    evaluations = [row["evaluations"] for row in rows]
    final = rows[-1]["hypervolume"]
    volume.plot(evaluations, [100 * row["hypervolume"] / final for row in rows], color="#0077BB")
    volume.set(ylabel="Hypervolume (% of the final front's)", ylim=(0, 104), title=title)
    size.plot(evaluations, [row["front_size"] for row in rows], color="#EE7733")
    size.set(ylabel="Points of the front", ylim=(0, 1.1 * max(row["front_size"] for row in rows)))
    for axis in (volume, size):
        axis.set(xlabel="Evaluations", xlim=(0, None))
        axis.grid(True)
    return figure


def _recorded(rounds: IntArray) -> IntArray:
    """The ends of the rounds to record."""
    return np.asarray(rounds[np.unique(np.linspace(0, len(rounds) - 1, RECORDS).round().astype(np.int64))])


def _scale_text(objectives: Sequence[str], front: Any) -> str:
    """Which values the hypervolume is scaled by."""
    if not len(front):
        return "no usable design"
    scale = Scale.of(front)
    best, worst, reference = (values_of(objectives, each) for each in (scale.best, scale.worst, scale.reference))
    ranges = [
        f"{METRICS[name].column} {best[i]:.6g} is 0 and {worst[i]:.6g} is 1 (reference point {reference[i]:.6g})"
        for i, name in enumerate(objectives)
    ]
    return "hypervolume scaled: " + ", ".join(ranges)


def _candidates(study: Study, ids: IntArray) -> list[Row]:
    """Designs by their axes; where networks compete with the network, and error and evidence of its accuracy."""
    if not of_networks(study.objectives):
        designs = _designs(study, ids)
        return [designs[design] for design in ids.tolist()]
    runs = runs_of(study, ids)
    designs, rows = _designs(study, np.unique(runs.designs)), []
    for network, design in zip(runs.networks.tolist(), runs.designs.tolist(), strict=True):
        workload, axes = study.workloads[network], designs[design]
        known = workload.accuracy(axes["pe_type"])
        said = {"accuracy_error_percent": known and known.error_percent, "accuracy_evidence": known and known.evidence}
        rows.append({"workload": workload.name, **axes, **said})
    return rows


def _designs(study: Study, ids: IntArray) -> dict[int, Row]:
    """The axes of designs by id, as written in tables; None where one does not apply."""
    found: dict[int, Row] = {}
    for block in study.space.select(np.sort(ids), max(1, len(ids))):
        designs = block.designs
        columns = {name: designs.column(name).tolist() for name in AXES if designs.has(name)}
        clocks = [clock_setting(value) for value in columns.pop("clock_mhz")]
        for place, design in enumerate(block.design_ids.tolist()):
            row = {"design_id": design, "pe_type": designs.pe_type, "dataflow": designs.dataflow}
            axes = {name: columns[name][place] if name in columns else None for name in AXES if name != "clock_mhz"}
            found[design] = {**row, **axes, "clock_setting": clocks[place]}
    return found
