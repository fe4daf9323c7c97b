"""Write the generated parts about accuracy: tables and figures of README.md, docs/accuracy.md, docs/coexploration.md.

    python docs/build_accuracy.py results/accuracy results/coexploration

The blocks are marked as those of docs/build.py.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from characterization.accuracy.rows import read_measured
from characterization.accuracy.summary import rank, rank_table, summarize, summary_table, type_table
from dse.errors import RunError
from dse.report.accuracy import finalist_rows
from dse.report.answers import answers
from dse.report.full import report
from dse.report.levels import level_table, levels_markdown
from dse.report.parity import CONFIDENCE, TOLERANCE, difference
from dse.report.run import Run, open_run
from dse.report.tables import Table, to_markdown
from dse.report.usable import load_points, pe_label
from pe_library.model import list_pe_types, load_pe_type
from workloads.accuracies import REFERENCE, shipped_rows
from workloads.trainings import measured_trainings

from build import ROOT, copy_figures, filled

PAGES = ("README.md", "docs/accuracy.md", "docs/coexploration.md")
KIND = "power of two"  # how the published table calls weights that are
TRAINING = {"qat": "from scratch", "tuned": "tuned from FP32"}
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
        "accuracy-brief": brief(measured),
        "accuracy-answer": "\n".join(answers(measured)[1:]),
        "accuracy-gains": gains(measured),
        "published": published(),
        "rank": rank_text(),
        "coexploration": "\n".join(answers(ranked)[1:]),
        "coexploration-gains": gains(ranked),
        "finalists": finalists(ranked),
    }
    for name in PAGES:
        page = ROOT / name
        page.write_text(filled(page.read_text(), blocks))


def gains(run: Run) -> str:
    """What a run of networks that compete says of gains at equal accuracy."""
    objectives = tuple(run.config["objectives"])
    return levels_markdown(level_table(run, load_points(run, objectives), objectives))


def finalists(run: Run) -> str:
    """The finalists of a run by their scores, with what they reach trained alone."""
    objectives = tuple(run.config["objectives"])
    columns = ("network", "PE type", "score, %", "trained alone, %", "perf/area, inf/s/mm2", "energy, mJ")
    rows = tuple(
        (row["network"], pe_label(row["pe_type"]), f"{row['accuracy_percent']:.2f}",
         "" if row["measured_percent"] is None else _plus_minus(row["measured_percent"], row["measured_error_percent"]),
         row["best_perf_per_area_inf_s_mm2"], row["best_energy_mj"])
        for row in finalist_rows(run, load_points(run, objectives), objectives)
    )  # fmt: skip
    return to_markdown(Table("finalists", "", columns, rows))


def brief(run: Run) -> str:
    """FP32's accuracy and how far the others are below it, a row per network whose PE types are all measured; then how
    many are on par, and what the others are."""
    types, seeds, rows = list_pe_types(), measured_trainings(), list[tuple[object, ...]]()
    others, found, farthest = [name for name in types if name != REFERENCE], dict[str, list[str]](), 0.0
    for network, own in run.accuracies.items():
        if set(types) <= set(own):
            base = own[REFERENCE]
            below = {name: difference(network, own[name], base, seeds) for name in others}
            farthest = max(farthest, *(abs(each.points) + (each.margin or 0.0) for each in below.values()))
            for name, each in below.items():
                found.setdefault(each.verdict, []).append(f"{pe_label(name)} on {network}")
            rows.append((network, base.runs, _plus_minus(base.percent, base.error_percent),
                         *(_plus_minus(each.points, each.error) for each in below.values())))  # fmt: skip
    columns = ("network", "seeds", "FP32, %", *(f"{load_pe_type(name).label} below it" for name in others))
    return f"{to_markdown(Table('brief', '', columns, tuple(rows)))}\n{_verdicts(found, farthest)}"


def _verdicts(found: Mapping[str, Sequence[str]], farthest: float) -> str:
    on_par, count = len(found.get("on par", ())), sum(map(len, found.values()))
    others = "".join(f"; {verdict}: {', '.join(names)}" for verdict, names in found.items() if verdict != "on par")
    return (
        f"Of {count} pairs of network and PE type {on_par} are on par with FP32, which is to say that the "
        f"{100 * CONFIDENCE:g} % interval of the difference lies within {TOLERANCE:g} point{others}. The farthest end "
        f"of an interval is {farthest:.2f} points from zero."
    )


def _plus_minus(value: float, error: float | None) -> str:
    return f"{value:.2f}" if error is None else f"{value:.2f} ± {error:.2f}"


def published() -> str:
    """What others have published of weights that are powers of two, beside FP32 of the same source."""
    columns = ("network", "data set", "training", "weight bits", "activation bits", "top-1, %", "below FP32")
    rows = tuple(
        (row["network"], row["dataset"], TRAINING[row["method"].removeprefix(f"{KIND}, ")], row["weight_bits"],
         row["activation_bits"], row["top1_percent"], f"{float(row['fp32_percent']) - float(row['top1_percent']):.2f}")
        for row in shipped_rows("published.csv")
        if row["method"].startswith(KIND) and row["top1_percent"] and row["fp32_percent"]
    )  # fmt: skip
    return to_markdown(Table("published", "", columns, rows))


def rank_text() -> str:
    """How well scores order pairs trained alone, as far as these are trained, and the pairs."""
    try:
        found = rank()
    except RunError as error:
        return f"Not known yet: {error}."
    return f"{found.words}.\n\n{to_markdown(rank_table(found))}\n{to_markdown(type_table())}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
