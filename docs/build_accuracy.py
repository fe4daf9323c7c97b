"""Write the generated parts about accuracy: tables and figures of README.md, docs/accuracy.md, docs/coexploration.md.

    python docs/build_accuracy.py results/accuracy results/coexploration

The blocks are marked as those of docs/build.py.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from characterization.accuracy.rows import read_measured
from characterization.accuracy.summary import Summary, rank, rank_table, summarize, summary_table
from dse.errors import RunError
from dse.report.answers import answers
from dse.report.full import report
from dse.report.levels import level_table, levels_markdown
from dse.report.parity import CONFIDENCE, TOLERANCE, difference, measured_seeds
from dse.report.run import Run, open_run
from dse.report.tables import Table, to_markdown
from dse.report.usable import load_points, pe_label
from pe_library.model import list_pe_types, load_pe_type
from workloads.accuracies import REFERENCE

from build import ROOT, copy_figures, filled

PAGES = ("README.md", "docs/accuracy.md", "docs/coexploration.md")
OF_MEASURED = {name: name for name in ("accuracy_perf_per_area", "accuracy_energy")}
OF_RANKED = {"coexploration": "coexploration", "accuracy_perf_per_area": "coexploration_perf_per_area"}


def main(measured_path: Path, ranked_path: Path) -> None:
    """Report on both runs, copy their figures of accuracy, fill the blocks."""
    measured, ranked = open_run(measured_path), open_run(ranked_path)
    copy_figures(report(measured), OF_MEASURED)
    copy_figures(report(ranked), OF_RANKED)
    summaries = summarize(read_measured())
    blocks = {
        "accuracy": to_markdown(summary_table(summaries)),
        "accuracy-brief": f"{brief(summaries)}\n{against_reference(measured)}",
        "accuracy-answer": "\n".join(answers(measured)[1:]),
        "accuracy-gains": gains(measured),
        "rank": rank_text(),
        "coexploration": "\n".join(answers(ranked)[1:]),
        "coexploration-gains": gains(ranked),
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


def against_reference(run: Run) -> str:
    """How many accuracies are on par with FP32's of the same network, and what the others are."""
    seeds, found = measured_seeds(), dict[str, list[str]]()
    for network, own in run.accuracies.items():
        for pe_type, each in own.items():
            if REFERENCE in own and pe_type != REFERENCE:
                verdict = difference(network, each, own[REFERENCE], seeds).verdict
                found.setdefault(verdict, []).append(f"{pe_label(pe_type)} on {network}")
    on_par, count = found.pop("on par", []), sum(map(len, found.values()))
    others = "".join(f"; {verdict}: {', '.join(names)}" for verdict, names in found.items())
    text = (
        f"Of {len(on_par) + count} pairs of network and PE type {len(on_par)} are on par with FP32, which is to say "
        f"that the {100 * CONFIDENCE:g} % interval of the difference lies within {TOLERANCE:g} point{others}."
    )
    return textwrap.fill(text, 120, break_on_hyphens=False)


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
    main(Path(sys.argv[1]), Path(sys.argv[2]))
