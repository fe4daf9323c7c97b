"""`dse pareto`: exact fronts and best designs of a run, to the terminal and to files."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dse.errors import InputError, Problem, did_you_mean
from dse.metrics import METRICS, of_networks
from dse.report.accuracy import evidence_of, unknown_accuracies
from dse.report.compact import NETWORK, compact, legend, mean_dataflows, mean_gains, short_names, thinned, varying
from dse.report.gains import BASELINES, baselines_of, best_positions, by_dataflow, describe, fronts, gains
from dse.report.kept import kept_messages, kept_metrics
from dse.report.levels import level_note, level_table, level_tables
from dse.report.remarks import PAIRS, constraints, remarks
from dse.report.run import Run
from dse.report.tables import WIDTH, Table, listed, to_csv, to_json, to_terminal, write
from dse.report.usable import ANY, Points, clock_label, load_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = dict[str, Any]

SHOWN_FRONT = 10  # points of a front in the terminal
NO_GAINS = "no gains, since networks compete and points differ in accuracy: gains need accuracy and another metric"


@dataclass(frozen=True)
class ParetoReport:
    """What `dse pareto` found; `messages` says what the run lacks. Files are written already."""

    metrics: tuple[str, ...]
    best: Table  # per contest (`contest_of`), clock setting and PE type: the best point of the first metric
    front: Table  # per contest: the fronts of each PE type; `on_front` marks the front over all types
    gains: Table  # per metric, clock setting, workload and PE type: gain of the best over the baselines' best
    levels: Table  # instead of these where networks compete: gains at equal accuracy (`dse.report.levels`)
    dataflows: Table  # as gains and per dataflow: its best over the best of all; no rows where there is one dataflow
    provenance: str
    messages: tuple[str, ...]
    csv_path: Path
    figures: tuple[Path, ...]
    any_clock: bool = False  # the best are those at any clock setting

    def render(self, form: str) -> str:
        """The report as `table`, `csv` or `json` text."""
        return {"table": self.table, "csv": self.csv, "json": self.json}[form]()

    def csv(self) -> str:
        """The fronts, as in pareto.csv."""
        return to_csv(self.front, self.provenance)

    def json(self) -> str:
        """Best points, fronts and gains; these at equal accuracy where networks compete."""
        levels = [self.levels] if self.levels.rows else []
        return to_json([self.best, self.front, self.gains, *levels, self.dataflows], self.provenance)

    def table(self) -> str:
        """Per contest the best points and the front, shortened to what a terminal shows; then the gains."""
        every = _named([*self.best.records(), *(row for row in self.front.records() if row["on_front"])])
        best, front = every[: len(self.best.rows)], every[len(self.best.rows) :]
        shown: dict[tuple[str, str], list[Any]] = {}
        for row in best:
            clock = clock_label(ANY if self.any_clock else row["clock_setting"])
            shown.setdefault((contest_of(row), clock), []).append(row)
        for workload in dict.fromkeys(contest_of(row) for row in best):
            points = _distinct([row for row in front if contest_of(row) == workload], self.metrics)
            shown[workload, "front"] = thinned(points, SHOWN_FRONT)
        rows = [row for group in shown.values() for row in group]
        columns = varying(rows)
        blocks = [legend(rows, self.metrics) + "\n"]
        for workload in dict.fromkeys(key[0] for key in shown):
            for key in [key for key in shown if key[0] == workload]:
                title = self._title(workload, key[1], len(shown[key]), front)
                blocks.append(to_terminal(compact(title, shown[key], self.metrics, columns)))
        if baselines_of(gained := self.gains.records()):
            blocks.append(to_terminal(mean_gains(gained)))
        blocks += [to_terminal(table) for table in level_tables(self.levels, "/")]
        blocks += [textwrap.fill(level_note(self.levels), WIDTH) + "\n"] if self.levels.rows else []
        if self.dataflows.rows:
            group = "data set" if self.compete else "network"
            blocks.append(to_terminal(mean_dataflows(self.dataflows.records(), group)))
        return "\n".join(blocks)

    @property
    def compete(self) -> bool:
        """Whether the points are of networks that compete."""
        return "dataset" in self.best.columns

    def _title(self, workload: str, part: str, shown: int, front: Sequence[Row]) -> str:
        if part != "front":
            return f"{workload}: best {self.metrics[0]} per PE type, {part}"
        points = [row for row in front if contest_of(row) == workload]
        distinct = len(_distinct(points, self.metrics))
        which = "" if shown == distinct else f", {shown} shown"
        what = PAIRS if self.compete else "designs"
        equal = "" if distinct == len(points) else f" ({len(points)} {what})"
        count = f"{distinct} point{'s'[distinct == 1 :]}"
        return f"{workload}: front of {' and '.join(self.metrics)}, {count}{equal}{which}"


def pareto(run: Run, metrics: Sequence[str], out_dir: Path | None = None) -> ParetoReport:
    """Exact fronts and bests of the points of a run; writes pareto.csv and the figures to `out_dir`
    (default: the run's own folder): the first metric against the second, `pareto`, and any other one, `pareto_OTHER`.

    One metric alone is paired with energy, energy with perf_per_area; see `dse.report.kept` for a run that does not
    keep every point. Raises InputError for a metric that is unknown or that the run was not kept for, RunError when the
    run has no usable point.
    """
    from dse.report.figures import save

    out = run.path if out_dir is None else out_dir
    asked = metrics or (run.config["objectives"] if run.competes else ())
    names = pair(asked) if run.kept is None else kept_metrics(run, known(metrics))
    points = load_points(run, names)
    best, front = best_table(run, points, names), front_table(run, points, names)
    csv_path = write(out / "pareto.csv", to_csv(front, run.provenance))
    figures: list[Path] = []
    for old in (out / f"pareto_{name}.{form}" for name in METRICS for form in ("png", "pdf")):
        old.unlink(missing_ok=True)  # of a call with other metrics
    for other in names[1:]:
        stem = "pareto" if other == names[1] else f"pareto_{other}"
        figures += save(partial(_draw, run, points, (names[0], other)), out / stem, run.provenance)
    table = Table.of("gains", "Gains over the best INT16 and INT8 designs", gains(points, names))
    flows = dataflow_table(points, names, run.kept is None)
    levels, any_clock = level_table(run, points, names), points.names["clock_setting"] == (ANY,)
    messages = [*constraints(run), *remarks(run, points), *kept_messages(run, names)]
    messages += _accuracy_messages(run, points, names)
    messages += [NO_GAINS] if points.compete and not levels.rows else []
    return ParetoReport(
        names, best, front, table, levels, flows, run.provenance, tuple(messages), csv_path, tuple(figures), any_clock
    )


def pair(metrics: Sequence[str]) -> tuple[str, ...]:
    """The metrics without repeats, a single one joined by its usual partner. Raises InputError for unknown ones."""
    names = known(metrics) or ("perf_per_area",)
    if len(names) > 1:
        return names
    return (*names, "perf_per_area" if names == ("energy",) else "energy")


def known(metrics: Sequence[str]) -> tuple[str, ...]:
    """The metrics without repeats. Raises InputError for unknown ones."""
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise InputError([Problem("--metric", "must be a metric", n, did_you_mean(n, METRICS)) for n in unknown])
    return tuple(dict.fromkeys(metrics))


def best_table(run: Run, points: Points, metrics: Sequence[str]) -> Table:
    """The best point of the first metric per workload, clock setting and PE type; ties by the other metrics."""
    chosen = list(best_positions(points, metrics).values())
    rows = [_ordered(row, metrics) for row in describe(run, points, chosen, metrics)]
    note = "Per clock setting; ties go to the best in the other metrics."
    return Table.of("best", f"Best {metrics[0]} per PE type", rows, note)


def dataflow_table(points: Points, metrics: Sequence[str], all_points: bool = True) -> Table:
    """The best of each dataflow over the best of all; no rows where the run has one dataflow or not all points."""
    note = "1 is the best dataflow of a PE type, network and clock setting; below 1, how far another one falls behind."
    rows = by_dataflow(points, metrics) if all_points else []
    return Table.of("dataflows", "Best of each dataflow over the best of all", rows, note)


def front_table(run: Run, points: Points, metrics: Sequence[str]) -> Table:
    """Per workload the fronts of all PE types, by falling first metric; `on_front` marks the front over all types."""
    chosen: list[int] = []
    flags: list[bool] = []
    sign = -1.0 if METRICS[metrics[0]].maximize else 1.0
    for _, by_type, overall in fronts(points, metrics):
        members = np.concatenate(list(by_type.values()))
        order = np.lexsort((points.row[members], sign * points.values[metrics[0]][members]))
        chosen += members[order].tolist()
        flags += np.isin(members[order], overall).tolist()
    rows = describe(run, points, chosen, metrics)
    lines = [{"on_front": flag, **_ordered(row, metrics)} for flag, row in zip(flags, rows, strict=True)]
    note = (
        f"Of each {'data set' if points.compete else 'network'} the front of each PE type; on_front: that of all types."
    )
    return Table.of("front", f"Fronts of {' and '.join(metrics)}", lines, note)


def contest_of(row: Row) -> str:
    """What a described point competes in: its data set where networks compete, else its network."""
    return str(row.get("dataset", row["workload"]))


def _draw(run: Run, points: Points, pair: tuple[str, str]) -> Figure:
    """Fronts of two metrics; an accuracy is the one upwards."""
    from dse.report.figures._accuracy import draw_accuracy
    from dse.report.figures.scatter import draw_pair

    if not of_networks(pair):
        return draw_pair(points, *pair)
    up, across = pair if METRICS[pair[0]].of_network else pair[::-1]
    return draw_accuracy(run, points, across, up)


def _accuracy_messages(run: Run, points: Points, metrics: Sequence[str]) -> tuple[str, ...]:
    """Level of evidence of the accuracies, and the networks without."""
    if not run.accuracies:
        return ()
    unknown = unknown_accuracies(run, (*metrics, *run.constraints))
    if not of_networks(metrics):
        return unknown
    found = evidence_of(run, points, np.arange(len(points.row)))
    said = f"accuracies are {listed(found)}{': compare within one level of evidence' if len(found) > 1 else ''}"
    return (said, *unknown)


def _named(rows: Sequence[Row]) -> list[Row]:
    """The rows with a short name of their network, where networks compete."""
    names = short_names([row["workload"] for row in rows])[1]
    return [{**row, NETWORK: names[row["workload"]]} if "dataset" in row else row for row in rows]


def _ordered(row: Row, metrics: Sequence[str]) -> Row:
    """What identifies a point and the chosen metrics with their gains first, the other columns after."""
    first = [*(key for key in ("dataset",) if key in row), "workload", "clock_setting", "pe_type", "dataflow"]
    for name in metrics:
        first += [METRICS[name].column, *(key for b in BASELINES if (key := f"{name}_vs_{b}") in row)]
    hidden = {"feasible", "reason"}  # the same for every usable point
    return {key: row[key] for key in (*first, *(k for k in row if k not in first and k not in hidden))}


def _distinct(rows: Sequence[Row], metrics: Sequence[str]) -> list[Row]:
    """The first of the rows that are equal in all metrics."""
    firsts: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        firsts.setdefault(tuple(row[METRICS[name].column] for name in metrics), row)
    return list(firsts.values())
