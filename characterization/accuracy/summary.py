"""What the rows say: means over seeds with error bars and differences from FP32, and how well scores rank."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from characterization.accuracy.recipe import SUPERNET
from characterization.accuracy.rows import MEASURED, PAIRS, RANKED, Measured, read_measured, read_pairs, read_rows
from dse.errors import RunError
from dse.report.tables import Table
from pe_library.model import list_pe_types
from workloads.accuracies import error_of_mean, paired_drops


@dataclass(frozen=True)
class Summary:
    """A network on a PE type, over seeds; all but `seeds` in percent, or points of percent.

    `spread`: standard deviation over seeds, None with one seed. `stderr`: test error of the mean, that of one test
    set: seeds share the images, so it does not shrink with their number. `loss`: FP32 minus this, the mean over seeds
    that have both; `loss_error` its standard error over seeds, None with one. `not_tuned`: without fine-tuning.
    """

    network: str
    pe_type: str
    seeds: int
    top1: float
    spread: float | None
    stderr: float
    loss: float | None
    loss_error: float | None
    not_tuned: float


def summarize(rows: Iterable[Measured], recipe: str = "standard") -> tuple[Summary, ...]:
    """One summary per network and PE type of a recipe, networks by name, PE types in their usual order."""
    groups: dict[tuple[str, str], list[Measured]] = {}
    for row in rows:
        if row.recipe == recipe:
            groups.setdefault((row.network, row.pe_type), []).append(row)
    order = {name: number for number, name in enumerate(list_pe_types())}
    keys = sorted(groups, key=lambda key: (key[0], order.get(key[1], len(order)), key[1]))
    return tuple(_summary(groups[key], groups.get((key[0], "fp32"), [])) for key in keys)


def _summary(rows: Sequence[Measured], references: Sequence[Measured]) -> Summary:
    top1 = [row.top1_percent for row in rows]
    losses = paired_drops(*({row.seed: row.top1_percent for row in each} for each in (rows, references)))
    return Summary(
        network=rows[0].network,
        pe_type=rows[0].pe_type,
        seeds=len(rows),
        top1=statistics.fmean(top1),
        spread=statistics.stdev(top1) if len(top1) > 1 else None,
        stderr=statistics.fmean(row.stderr_percent for row in rows),
        loss=statistics.fmean(losses) if losses else None,
        loss_error=error_of_mean(losses),
        not_tuned=statistics.fmean(row.ptq_percent for row in rows),
    )


def percent(value: float | None) -> str | None:
    """A percentage or difference of percentages to two decimals."""
    return None if value is None else f"{value:.2f}"


def summary_table(summaries: Sequence[Summary]) -> Table:
    """Summaries as a table."""
    columns = (
        "network",
        "PE type",
        "seeds",
        "top-1 %",
        "spread",
        "test error",
        "below FP32",
        "its error",
        "not tuned %",
    )
    rows = tuple(
        (each.network, each.pe_type, each.seeds, *map(percent, (each.top1, each.spread, each.stderr)),
         *map(percent, (each.loss, each.loss_error, each.not_tuned)))
        for each in summaries
    )  # fmt: skip
    note = "spread: standard deviation over seeds; test error: binomial; below FP32: paired by seed"
    return Table("accuracy", "Measured top-1 accuracy", columns, rows, note)


@dataclass(frozen=True)
class Ranking:
    """Scores and accuracies of the drawn pairs that have both, and Kendall's tau (b) with its two-sided p value."""

    pairs: tuple[tuple[str, str, float, float], ...]  # network, PE type, score percent, top-1 percent
    drawn: int  # pairs
    tau: float
    p_value: float

    @property
    def words(self) -> str:
        """Tau, and of how many pairs."""
        pairs = f"{len(self.pairs)} of the {self.drawn}" if len(self.pairs) < self.drawn else f"the {self.drawn}"
        return f"Kendall's tau {self.tau:.3f} (p = {self.p_value:.1g}) over {pairs} pairs drawn"


def rank_table(found: Ranking) -> Table:
    """Scores beside accuracies, the most accurate first."""
    ordered = sorted(found.pairs, key=lambda pair: -pair[3])
    rows = tuple((name, pe_type, percent(scored), percent(top1)) for name, pe_type, scored, top1 in ordered)
    return Table("rank", found.words, ("network", "PE type", "score %", "alone %"), rows)


def rank(ranked: Path = RANKED, measured: Path = MEASURED, drawn: Path = PAIRS) -> Ranking:
    """Compare scores of the current recipe with accuracies of the drawn pairs trained alone, means over their seeds;
    others that were trained alone were chosen by their score and do not count.

    Raises RunError with fewer than two pairs.
    """
    from scipy.stats import kendalltau

    current = [row for row in read_rows(ranked) if row["recipe_sha256"] == SUPERNET.digest]
    scores = {(row["network"], row["pe_type"]): float(row["score_percent"]) for row in current}
    alone: dict[tuple[str, str], list[float]] = {}
    for row in read_measured(measured):
        if row.recipe == "alone":
            alone.setdefault((row.network, row.pe_type), []).append(row.top1_percent)
    chosen = read_pairs(drawn)
    known = [pair for pair in chosen if pair in scores and pair in alone]
    if len(known) < 2:
        raise RunError(f"{len(known)} pairs have a score and an accuracy: run `score` and `alone` first")
    pairs = tuple((*pair, scores[pair], statistics.fmean(alone[pair])) for pair in known)
    tau, p_value = kendalltau([pair[2] for pair in pairs], [pair[3] for pair in pairs])
    return Ranking(pairs, len(chosen), float(tau), float(p_value))
