"""What the rows say: means over seeds with error bars and differences from FP32, and how well scores rank."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from characterization.accuracy.recipe import SUPERNET
from characterization.accuracy.rows import MEASURED, PAIRS, RANKED, Measured, read_measured, read_pairs, read_rows
from dse.errors import RunError
from dse.report.tables import Table
from pe_library.model import list_pe_types
from workloads.accuracies import REFERENCE, error_of_mean, paired_drops
from workloads.loader import load_workload

BOOTSTRAP = 2000


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
        "\N{PLUS-MINUS SIGN}",
        "untuned %",
    )
    rows = tuple(
        (each.network, each.pe_type, each.seeds, *map(percent, (each.top1, each.spread, each.stderr)),
         *map(percent, (each.loss, each.loss_error, each.not_tuned)))
        for each in summaries
    )  # fmt: skip
    note = (
        "spread: standard deviation over seeds; test error: binomial; below FP32: paired by seed, with its standard "
        "error"
    )
    return Table("accuracy", "Measured top-1 accuracy", columns, rows, note)


@dataclass(frozen=True)
class Ranking:
    """Scores and accuracies of the drawn pairs that have both, Kendall's tau (b) with its 95 % bootstrap interval, and
    what tau is where something else than the score of the pair orders them."""

    pairs: tuple[tuple[str, str, float, float], ...]  # network, PE type, score percent, top-1 percent
    drawn: int  # pairs
    tau: float
    interval: tuple[float, float]
    others: tuple[tuple[str, float], ...]

    @property
    def words(self) -> str:
        """Tau, and of how many pairs."""
        pairs = f"{len(self.pairs)} of the {self.drawn}" if len(self.pairs) < self.drawn else f"the {self.drawn}"
        low, high = self.interval
        others = ", ".join(f"{tau:.3f} by {name}" for name, tau in self.others)
        return f"Kendall's tau {self.tau:.3f} ({low:.2f} to {high:.2f}) over {pairs} pairs drawn; {others}"


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
    scores, alone, chosen = _scores(ranked), _alone(measured), read_pairs(drawn)
    known = [pair for pair in chosen if pair in scores and pair in alone]
    if len(known) < 2:
        raise RunError(f"{len(known)} pairs have a score and an accuracy: run `score` and `alone` first")
    pairs = tuple((*pair, scores[pair], alone[pair]) for pair in known)
    accuracies, own = [pair[3] for pair in pairs], [pair[2] for pair in pairs]
    others = {
        "FP32's score of the network": [scores[name, "fp32"] for name, _ in known],
        "its weights": [float(load_workload(name).weights) for name, _ in known],
        "its MACs": [float(load_workload(name).macs) for name, _ in known],
    }
    taus = tuple((what, _tau(values, accuracies)) for what, values in others.items())
    return Ranking(pairs, len(chosen), _tau(own, accuracies), _interval(own, accuracies), taus)


def _scores(path: Path) -> dict[tuple[str, str], float]:
    """Network, PE type -> score by the recipe of today, percent."""
    rows = [row for row in read_rows(path) if row["recipe_sha256"] == SUPERNET.digest]
    return {(row["network"], row["pe_type"]): float(row["score_percent"]) for row in rows}


def _alone(path: Path) -> dict[tuple[str, str], float]:
    """Network, PE type -> accuracy when trained alone, percent, mean over seeds."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in read_measured(path):
        if row.recipe == "alone":
            found.setdefault((row.network, row.pe_type), []).append(row.top1_percent)
    return {pair: statistics.fmean(own) for pair, own in found.items()}


def _tau(first: Sequence[float], second: Sequence[float]) -> float:
    from scipy.stats import kendalltau

    return float(kendalltau(first, second).statistic)


def _interval(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """The middle 95 % of the taus of pairs drawn anew from these, with replacement."""
    draws = np.random.default_rng(0).integers(0, len(first), (BOOTSTRAP, len(first)))
    taus = [_tau(np.take(first, draw), np.take(second, draw)) for draw in draws]
    low, high = np.nanpercentile(taus, (2.5, 97.5))
    return float(low), float(high)


def type_table(measured: Path = MEASURED, ranked: Path = RANKED) -> Table:
    """Per PE type how far it is below FP32 in the mean over the networks that were trained alone for both: by accuracy
    and by score, with the standard errors of these means over networks."""
    alone, scores, rows = _alone(measured), _scores(ranked), []
    for pe_type in (name for name in list_pe_types() if name != REFERENCE):
        networks = [
            name for name, own in alone
            if own == pe_type and (name, REFERENCE) in alone.keys() & scores.keys() and (name, own) in scores
        ]  # fmt: skip
        cells: list[str | int | None] = [pe_type, len(networks)]
        for known in (alone, scores):
            drops = [known[name, REFERENCE] - known[name, pe_type] for name in networks]
            cells += [percent(statistics.fmean(drops)) if drops else None, percent(error_of_mean(drops))]
        rows.append(tuple(cells))
    columns = (
        "PE type",
        "networks",
        "below FP32, alone",
        "\N{PLUS-MINUS SIGN}",
        "below FP32, by score",
        "\N{PLUS-MINUS SIGN}",
    )
    return Table("types", "PE types by accuracy trained alone and by score", columns, tuple(rows))
