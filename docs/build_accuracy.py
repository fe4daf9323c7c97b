"""Write the generated parts about accuracy: tables of README.md and docs/accuracy.md, answers and gains of
docs/coexploration.md.

    python docs/build_accuracy.py results/coexploration

The blocks are marked as those of docs/build.py; of the run's report the figures are copied, too.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from characterization.accuracy.rows import read_measured
from characterization.accuracy.summary import Summary, rank, rank_table, summarize, summary_table
from dse.errors import RunError
from dse.report.answers import answers
from dse.report.full import report
from dse.report.levels import level_table, levels_markdown
from dse.report.run import Run, open_run
from dse.report.tables import Table, to_markdown
from dse.report.usable import load_points
from pe_library.model import list_pe_types, load_pe_type
from workloads.accuracies import REFERENCE

from build import FIGURES, ROOT, filled

PAGES = ("README.md", "docs/accuracy.md", "docs/coexploration.md")
SHOWN = ("accuracy_perf_per_area", "accuracy_energy", "coexploration")


def main(run_path: Path) -> None:
    """Report on the run, copy its figures of accuracy, fill the blocks."""
    run = open_run(run_path)
    for path in report(run):
        if path.suffix == ".png" and path.stem in SHOWN:
            shutil.copy(path, FIGURES / path.name)
    summaries = summarize(read_measured())
    blocks = {
        "accuracy": to_markdown(summary_table(summaries)),
        "accuracy-brief": brief(summaries),
        "rank": rank_text(),
        "coexploration": "\n".join(answers(run)[1:]),
        "coexploration-gains": gains(run),
    }
    for name in PAGES:
        page = ROOT / name
        page.write_text(filled(page.read_text(), blocks))


def gains(run: Run) -> str:
    """What a run of networks that compete says of gains at equal accuracy."""
    objectives = tuple(run.config["objectives"])
    return levels_markdown(level_table(run, load_points(run, objectives), objectives))


def brief(summaries: Sequence[Summary]) -> str:
    """FP32's accuracy and how far the others are below it, a row per network whose PE types are all measured."""
    types = list_pe_types()
    found = {(each.network, each.pe_type): each for each in summaries}
    whole = [
        name for name in dict.fromkeys(each.network for each in summaries) if all((name, t) in found for t in types)
    ]
    others = [name for name in types if name != REFERENCE]
    columns = ("network", "seeds", "FP32, %", *(f"{load_pe_type(name).label} below it" for name in others))
    rows = []
    for name in whole:
        base = found[name, REFERENCE]
        drops = [found[name, pe_type] for pe_type in others]
        rows.append((name, min(each.seeds for each in (base, *drops)), _plus_minus(base.top1, base.stderr),
                     *(_plus_minus(each.loss, each.loss_error) for each in drops)))  # fmt: skip
    return to_markdown(Table("brief", "", columns, tuple(rows)))


def _plus_minus(value: float | None, error: float | None) -> str:
    shown = "" if value is None else f"{value:.2f}"
    return shown if error is None else f"{shown} ± {error:.2f}"


def rank_text() -> str:
    """How well scores order pairs trained alone, as far as these are trained, and the pairs."""
    try:
        found = rank()
    except RunError as error:
        return f"Not known yet: {error}."
    return f"{found.words}.\n\n{to_markdown(rank_table(found))}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
