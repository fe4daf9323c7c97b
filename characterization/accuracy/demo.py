"""A slice of the measured table made again in minutes: one network, a short recipe, all PE types, another seed.

The shipped rows of the recipe `demo` have other seeds. A new accuracy agrees with their mean when it lies within the
`CONFIDENCE` interval of Student's t for one more seed: t s sqrt(1 + 1 / n), with s the spread over n seeds, pooled over
PE types, and n - 1 degrees of freedom: they share the base of a seed, so pooling adds none. All rows are of the same
test images, so these add no error.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from scipy import stats

from characterization.accuracy.rows import Measured, read_measured
from characterization.accuracy.runs import Job, measure, train_base
from characterization.accuracy.workers import one_threaded, say
from dse.errors import RunError
from pe_library.model import list_pe_types

NETWORK, RECIPE = "vgg8-fashion-mnist", "demo"
SEED = 3
CONFIDENCE = 0.99


@dataclass(frozen=True)
class Agreement:
    """Top-1 percent of a PE type: made now, mean of the shipped rows, and how far apart they may be."""

    pe_type: str
    seeds: int
    made: float
    shipped: float
    limit: float

    @property
    def agrees(self) -> bool:
        """Whether they are close enough."""
        return abs(self.made - self.shipped) <= self.limit


def run_demo(processes: int, seed: int = SEED) -> tuple[Agreement, ...]:
    """Train from nothing, quantize for every PE type, test, compare. Raises RunError without shipped rows."""
    job = Job(NETWORK, seed, RECIPE, list_pe_types())
    shipped = shipped_rows(job, read_measured())
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train_base(job, folder, partial(say, "demo"))
        with one_threaded(processes) as pool:
            made = list(pool.map(partial(_measure, job, folder), job.pe_types))
    return compare(made, shipped)


def shipped_rows(job: Job, rows: Sequence[Measured]) -> tuple[Measured, ...]:
    """The rows that the demo is compared with: its network and recipe, other seeds. Raises RunError with too few."""
    slice_ = tuple(row for row in rows if row.network == job.network and row.recipe_sha256 == job.recipe.digest)
    others = tuple(row for row in slice_ if row.seed != job.seed)
    for pe_type in job.pe_types:
        if sum(row.pe_type == pe_type for row in others) < 2:
            raise RunError(f"the measured table has no two rows of recipe {RECIPE} for {pe_type}: nothing to compare")
    return others


def _measure(job: Job, folder: Path, pe_type: str) -> Measured:
    base, cpu_s = train_base(job, folder, partial(say, "demo"))  # trained already: read from its checkpoint
    return measure(job, pe_type, base, cpu_s, folder, partial(say, "demo"))[0]


def compare(made: Sequence[Measured], shipped: Sequence[Measured]) -> tuple[Agreement, ...]:
    """Each new row beside the shipped ones of its PE type."""
    groups = {row.pe_type: [each.top1_percent for each in shipped if each.pe_type == row.pe_type] for row in made}
    spread2 = statistics.fmean(statistics.variance(values) for values in groups.values())
    return tuple(
        Agreement(
            pe_type=row.pe_type,
            seeds=len(groups[row.pe_type]),
            made=row.top1_percent,
            shipped=statistics.fmean(groups[row.pe_type]),
            limit=_reach(len(groups[row.pe_type])) * math.sqrt(spread2),
        )
        for row in made
    )


def _reach(seeds: int) -> float:
    """How many spreads one more seed may be from the mean of so many."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, seeds - 1)) * math.sqrt(1 + 1 / seeds)
