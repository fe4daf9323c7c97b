"""`dse report`: every table and figure of a run, and a page that links them. `dse pareto` is `pareto`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import dse
from dse.errors import RunError
from dse.metrics import METRICS, of_networks
from dse.report import figures
from dse.report.accuracy import accuracy_rows, finalist_rows, plane_metric, unknown_accuracies
from dse.report.answers import answers
from dse.report.breakdowns import breakdowns
from dse.report.causes import design_causes, mean_causes, pe_causes
from dse.report.fronts import ParetoReport, best_table, dataflow_table, front_table, pareto
from dse.report.gains import BASELINES, GAIN_METRICS, baselines_of, gains, gains_by_network, ratio_metrics, spreads
from dse.report.kept import left_out, without
from dse.report.levels import LEVELS, level_table, levels_markdown
from dse.report.remarks import PAIRS, remarks
from dse.report.run import Run
from dse.report.tables import Table, to_csv, to_markdown, write
from dse.report.usable import Points, clock_label, limits_text, load_points, pe_label
from pe_library.heldout import heldout_errors
from pe_library.model import list_pe_types

__all__ = ["ParetoReport", "gains_markdown", "pareto", "report", "report_tables"]

Row = dict[str, Any]

QUANTITIES = ("area_um2", "leakage_uw", "run_pj", "min_period_ns")  # wholes the README reports the errors of
EMBEDDED_ROWS = 24  # longer tables are linked only
NO_GAINS = (
    "No gains: networks compete, so best points differ in accuracy, and the run does not tell the best of another "
    "metric at equal accuracy.\n"
)
NO_BASELINES = f"No gains: the run has no usable designs of {' or '.join(map(pe_label, BASELINES))}.\n"


def report(run: Run, out_dir: Path | None = None) -> list[Path]:
    """Write every figure (PNG, PDF), every table (CSV), gains.md and report.md; returns the paths.

    The same run gives the same bytes. Raises RunError when the run has no usable point.
    """
    out = run.path if out_dir is None else out_dir
    points = load_points(run, run.reported or GAIN_METRICS)
    makes = report_tables if run.reported is None else kept_tables
    tables = [table for table in (*makes(run, points), *accuracy_tables(run)) if table.rows]
    paths = [write(out / f"{table.name}.csv", to_csv(table, run.provenance)) for table in tables]
    messages, sections = [*remarks(run, points), *missing_heldout(), *left_out(run)], []
    messages += unknown_accuracies(run, [plane_metric(run), *run.constraints]) if run.accuracies else ()
    for name in [name for name in figures.list_figures() if name not in without(run)[1]]:
        module = figures.load_figure(name)
        try:
            paths += figures.save(partial(module.draw, run, points), out / name, run.provenance)
            sections.append(f"![{name}]({name}.png)\n\n{module.CAPTION} ([PDF]({name}.pdf))\n")
        except figures.NoSubjectError:
            continue
        except figures.SkipFigureError as reason:
            messages.append(f"figure {name} left out: {reason}")
    gains_page = gains_text(points, run.reported or GAIN_METRICS, tables)
    page = [_head(run, points, messages), *answers(run), "## Figures\n", *sections, "## Tables\n", gains_page]
    page += [_table_section(table) for table in tables]
    paths.append(write(out / "gains.md", f"<!-- {run.provenance} -->\n\n{gains_page}"))
    paths.append(write(out / "report.md", "\n".join(page)))
    return paths


def report_tables(run: Run, points: Points) -> list[Table]:
    """All tables of the report; `points` holds at least `GAIN_METRICS`."""
    pair = ("perf_per_area", "energy")
    causes = design_causes(run, points)
    types = [name for (name,), _ in points.groups("pe_type")]
    return [
        best_table(run, points, pair),
        fronts_table(run, points, pair),
        gains_table(points, GAIN_METRICS),
        dataflow_table(points, GAIN_METRICS),
        Table.of("spreads", "Spread of the designs", spreads(points),
                 "Largest over smallest value among INT16 designs and among designs of all PE types."),
        Table.of("causes", "Performance per area over INT16 by cause, best designs", [*causes, *mean_causes(causes)],
                 "Factors multiply to the gain: the first seven exchange the PE type in the best INT16 design, "
                 "resizing goes from there to the best design of the type. Empty: that exchange is not in the run."),
        pe_causes_table(types),
        breakdown_table(run, points),
        heldout_table(),
    ]  # fmt: skip


def kept_tables(run: Run, points: Points) -> list[Table]:
    """The tables of a run that does not keep every point; see `dse.report.kept`."""
    kept, lacking = run.reported or (), without(run)[0]
    types = [name for (name,), _ in points.groups("pe_type")]
    tables = [best_table(run, points, kept), fronts_table(run, points, kept), gains_table(points, kept)]
    if "breakdown" not in lacking:
        tables.append(breakdown_table(run, points))
    return [*tables, pe_causes_table(types), heldout_table()]


def fronts_table(run: Run, points: Points, metrics: Sequence[str]) -> Table:
    """The fronts, under a name that is no file of `dse optimize`."""
    return replace(front_table(run, points, metrics), name="fronts")


def accuracy_tables(run: Run) -> list[Table]:
    """What is known of accuracy, and what is best of networks that compete."""
    note = "Percent; drop: below FP32 of the same network; errors are one standard error; empty: not known."
    known = Table.of("accuracy", "Accuracy of the networks", accuracy_rows(run), note)
    if not run.competes or not run.accuracies:
        return [known]
    metrics = run.reported or tuple(run.config["objectives"])
    if not of_networks(metrics) or not ratio_metrics(metrics):
        return [known]
    points = load_points(run, metrics)
    return [
        known,
        level_table(run, points, metrics),
        Table.of("finalists", "Finalists", finalist_rows(run, points, metrics),
                 "Networks with a PE type on the front over all, spread over it. measured: trained alone and tested, "
                 "where a table has it, with one standard error. best: over their designs on the front."),
    ]  # fmt: skip


def gains_table(points: Points, metrics: Sequence[str]) -> Table:
    """Gains over the baselines; no rows where networks compete."""
    note = "Times better than the baseline's best value of the same metric, network and clock setting."
    return Table.of("gains", "Gains over the best INT16 and INT8 designs", gains(points, metrics), note)


def pe_causes_table(types: Sequence[str]) -> Table:
    """Causes of the gain of one PE."""
    note = "Area in um2 at Eyeriss's spad depths; factors multiply to the gain."
    return Table.of("causes_pe", "Performance per area over INT16 by cause, one PE", pe_causes(types), note)


def breakdown_table(run: Run, points: Points) -> Table:
    """Parts of the best designs."""
    note = "The design of highest performance per area; parts add to the totals."
    return Table.of("breakdown", "Area and energy of the best designs by part", breakdowns(run, points), note)


def heldout_table() -> Table:
    """Errors of the PE models."""
    note = "Mean and largest absolute relative error against synthesis of points no model was fitted to."
    return Table.of("heldout", "Errors of the PE models at held-out points, percent", heldout_rows(), note)


def gains_text(points: Points, metrics: Sequence[str], tables: Sequence[Table]) -> str:
    """All gains as Markdown: over the baselines' bests, and where networks compete at equal accuracy."""
    blocks = [] if points.compete else [gains_markdown(points, metrics) or NO_BASELINES]
    blocks += [levels_markdown(table) for table in tables if table.name == LEVELS]
    return "\n".join(blocks) or NO_GAINS


def gains_markdown(points: Points, metrics: Sequence[str] = GAIN_METRICS, baselines: Sequence[str] = BASELINES) -> str:
    """The gains as Markdown tables, one per metric and baseline: a row per network, a column per PE type."""
    rows = gains(points, metrics)
    clocks = " / ".join(clock_label(name) for name in dict.fromkeys(row["clock_setting"] for row in rows))
    blocks, there = [], baselines_of(rows)
    for baseline in [name for name in baselines if name in there]:
        for metric in ratio_metrics(metrics):
            lines = gains_by_network(rows, metric, baseline)
            title = f"{METRICS[metric].label}, times better than the best {baseline.upper()} design ({clocks})"
            blocks.append(f"**{title}**\n\n{to_markdown(Table.of(metric, title, lines))}")
    return "\n".join(blocks)


def heldout_rows() -> list[Row]:
    """One row per PE type: mean and largest error of each of `QUANTITIES`; empty cells before characterization."""
    rows = []
    for name in list_pe_types():
        try:
            errors = {error.quantity: error for error in heldout_errors(name)}
        except RunError:
            errors = {}
        row: Row = {"pe_type": name, "points": errors["area_um2"].points if errors else 0}
        for quantity in QUANTITIES:
            found = errors.get(quantity)
            row[f"{quantity}_mape"] = found and found.mape_percent
            row[f"{quantity}_max"] = found and found.max_error_percent
        rows.append(row)
    return rows


def missing_heldout() -> tuple[str, ...]:
    """One message naming the PE types without held-out points, if any."""
    lacking = [row["pe_type"] for row in heldout_rows() if not row["points"]]
    return (f"no held-out synthesis of {', '.join(lacking)}: left out of the comparison",) if lacking else ()


def _head(run: Run, points: Points, messages: Sequence[str]) -> str:
    models: Mapping[str, str] = run.meta.get("pe_models", {})
    what = PAIRS if run.searched and run.competes else "designs"
    lines = [
        f"- written by dse {dse.__version__}; points by dse {run.meta.get('version')}",
        f"- config sha256 {run.meta['config_sha256']}, seed {run.meta.get('seed')}",
        *(f"- PE model of {name}: sha256 {sha}" for name, sha in models.items()),
        f"- {what}: {run.meta.get('designs')}, points: {run.meta.get('points')}, usable: {len(points.row)}",
        f"- constraints: {limits_text(run.constraints) or 'none'}",
        *(f"- **{message}**" for message in messages),
    ]
    return f"# Report of run `{run.name}`\n\n" + "\n".join(lines) + "\n"


def _table_section(table: Table) -> str:
    short = table.name != LEVELS and len(table.rows) <= EMBEDDED_ROWS  # levels are above, in short
    body = to_markdown(table) if short else f"{len(table.rows)} rows.\n"
    return f"### {table.title}\n\n{table.note}\n\n{body}\n[{table.name}.csv]({table.name}.csv)\n"
