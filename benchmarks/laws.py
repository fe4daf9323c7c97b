"""More of a resource never costs: the laws of mapping over random pairs of designs, one with more than the other.

    python -m benchmarks.laws [--pairs 1000000] [--seed 1] [--jobs 2] [-o docs]

For each layer a column of random designs is mapped, then the same designs with more of one resource, for each resource
in turn, then with more of all. Objectives are latency, energy, energy-delay product, and `dram`: the least DRAM traffic
of any mapping. For all but latency the larger design is priced as the smaller one, so that what more of a resource
leaks, clocks and costs per access is left out. The clock is 100 MHz. Writes laws.csv, and the same as a table: laws.md.
A run is a function of its seed and number of pairs.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from itertools import count, islice, product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.random_pairs import ALL, LARGEST, Case, Values, larger, random_case
from dse.mapping import best_mapping
from dse.mapping.bench import Bench, layer_traffic, objective_value
from dse.prices import Prices
from dse.space import BoolArray, Designs, FloatArray, IntArray
from dse.technology import Technology
from dse.traffic import FEASIBLE, Traffic
from workloads.layer import Layer

OBJECTIVES = ("latency", "energy", "edp", "dram")
DATAFLOWS = ("row_stationary", "output_stationary", "weight_stationary", "input_stationary")
SHARES = (0.7, 0.1, 0.1, 0.1)  # of the layers, by dataflow
ALMOST_FREE_PJ = 1e-13  # an access or a cycle where only DRAM bits count, at 1 pJ: decides between equal traffic only


@dataclass(frozen=True)
class Outcome:
    """A column of designs, each with its best mapping."""

    runs: BoolArray
    cost: FloatArray
    dram_bits: FloatArray
    broken: IntArray  # laws of counting that the mapping breaks, out of `broken_laws`


@dataclass(frozen=True)
class Row:
    """Pairs of designs of which one has more of the resource: what rises although it must not, and what may."""

    dataflow: str
    objective: str
    more_of: str
    pairs: int
    improved: int  # pairs in which the larger design costs less
    cost_rises: int  # by law these three are 0; for the first, see `may_cost_more`
    dram_rises_at_equal_cost: int
    counts_broken: int
    worst_cost_rise_percent: float
    dram_rises: int  # no law: a mapping that costs less may take more traffic
    worst_dram_rise_percent: float

    @property
    def may_cost_more(self) -> bool:
        """On a larger systolic array words cross more PEs, which costs energy: it has no smaller folds to choose."""
        moves = self.objective in ("energy", "edp") and self.more_of in ("rows", "cols", ALL)
        return moves and self.dataflow != "row_stationary"

    @property
    def broken(self) -> int:
        """Pairs that break a law."""
        return (0 if self.may_cost_more else self.cost_rises) + self.dram_rises_at_equal_cost + self.counts_broken

    def plus(self, other: Row) -> Row:
        """Both rows as one."""
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self) if f.type == "int"}
        worst = {f.name: max(getattr(self, f.name), getattr(other, f.name)) for f in fields(self) if f.type == "float"}
        return replace(self, **sums, **worst)


def outcome(case: Case, values: Values) -> Outcome:
    """The best mapping of each design for the case's objective."""
    bench = Bench.of(case.designs(values), Technology())
    if case.objective != "latency":
        bench = priced_as(bench, Bench.of(case.designs(case.values), Technology()), case.objective)
    objective = "energy" if case.objective == "dram" else case.objective
    prices = bench.costs.prices
    mapping = best_mapping(bench, case.layer, objective, {})
    traffic = layer_traffic(bench.flow, case.layer, bench.designs, prices.bits, mapping)
    runs = traffic.reason == FEASIBLE
    laws = broken_laws(case.layer, bench.designs, prices, traffic)
    broken: IntArray = np.asarray([np.broadcast_to(runs & law, runs.shape) for law in laws]).sum(axis=0)
    dram_bits = np.broadcast_to(prices.dram_bits(traffic), runs.shape)
    cost = dram_bits if case.objective == "dram" else objective_value(objective, prices, traffic)
    return Outcome(runs, np.where(runs, cost, np.inf), dram_bits, broken)


def priced_as(bench: Bench, other: Bench, objective: str) -> Bench:
    """The bench with the prices of another one, but for what DRAM bandwidth does; for `dram` only its bits count."""

    def priced(own: Prices, others: Prices) -> Prices:
        if objective == "dram":
            almost_free: dict[str, Any] = {f.name: ALMOST_FREE_PJ for f in fields(Prices) if "pj" in f.name.split("_")}
            others = replace(others, **(almost_free | {"dram_pj_per_bit": 1.0}))
        return replace(others, dram_cycles_per_bit=own.dram_cycles_per_bit)

    hardware = replace(bench.costs, prices=priced(bench.costs.prices, other.costs.prices))
    return replace(bench, costs=hardware, cell_prices=priced(bench.cell_prices, other.cell_prices))


def broken_laws(layer: Layer, designs: Designs, prices: Prices, traffic: Traffic) -> Iterator[Any]:
    """Where each law of counting is broken."""
    macs, images = designs.batch * layer.macs, designs.batch if layer.kind == "matmul" else 1
    cycles, total = prices.cycles(traffic), prices.total_cycles(traffic)
    energy, total_pj = prices.energy_pj(traffic, total), prices.total_energy_pj(traffic, total)
    yield traffic.macs != macs
    yield total * designs.rows * designs.cols < macs
    yield traffic.compute_cycles * traffic.active_pes < macs
    yield traffic.active_pes > designs.rows * designs.cols
    yield traffic.dram_filter < images * layer.weights
    yield traffic.dram_ofmap != designs.batch * layer.ofmap_words
    yield traffic.dram_ifmap < designs.batch * compulsory_ifmap_words(layer)
    yield sum(cycles.values()) != total
    yield ~np.isclose(sum(energy.values()), total_pj, rtol=1e-9, atol=0)
    for field in fields(traffic):
        yield np.asarray(getattr(traffic, field.name)) < 0


@cache
def compulsory_ifmap_words(layer: Layer) -> int:
    """Ifmap words that at least one window reads."""
    sizes = []
    for size, outputs, kernel in ((layer.H, layer.E, layer.R), (layer.W, layer.F, layer.S)):
        taps = {o * layer.stride + k * layer.dilation - layer.padding for o in range(outputs) for k in range(kernel)}
        sizes.append(len(taps & set(range(size))))
    return layer.C * sizes[0] * sizes[1]


def rows_of(case: Case, rng: np.random.Generator) -> list[Row]:
    """All pairs of a case: each design, with more of one resource, with more of all."""
    small = outcome(case, case.values)
    by_axis = {axis: outcome(case, values) for axis, values in larger(case, rng).items()}
    large = by_axis.pop(ALL)
    pairs = [(axis, small, more) for axis, more in by_axis.items()]
    return [compared(case, *pair) for pair in (*pairs, *((ALL, less, large) for less in by_axis.values()))]


def compared(case: Case, more_of: str, before: Outcome, after: Outcome) -> Row:
    """What rises from the smaller designs to the larger ones, among the smaller ones that run."""
    ran = before.runs
    old, new = before.cost[ran], after.cost[ran]
    old_dram, new_dram = before.dram_bits[ran], after.dram_bits[ran]
    return Row(
        dataflow=case.dataflow,
        objective=case.objective,
        more_of=more_of,
        pairs=len(old),
        improved=int(np.sum(new < old)),
        cost_rises=int(np.sum(new > old)),
        dram_rises_at_equal_cost=int(np.sum((new == old) & (new_dram > old_dram))),
        counts_broken=int(np.sum(after.broken[ran] + before.broken[ran])),
        worst_cost_rise_percent=worst_percent(old, new),
        dram_rises=int(np.sum(new_dram > old_dram)),
        worst_dram_rise_percent=worst_percent(old_dram, new_dram),
    )


def worst_percent(before: FloatArray, after: FloatArray) -> float:
    """The largest rise in percent, 0 where nothing rises."""
    return float(100 * np.max(after / before - 1, initial=0))


def rows_of_task(seed: int, task: int) -> list[Row]:
    """All pairs of one layer for each objective."""
    rng = np.random.default_rng([seed, task])
    dataflow = str(rng.choice(DATAFLOWS, p=SHARES))
    return [row for objective in OBJECTIVES for row in rows_of(random_case(rng, dataflow, objective), rng)]


def merged(rows: Iterable[Row]) -> list[Row]:
    """One row for each dataflow, objective and resource."""
    found: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        key = row.dataflow, row.objective, row.more_of
        found[key] = found[key].plus(row) if key in found else row
    return [found[key] for key in product(DATAFLOWS, OBJECTIVES, (*LARGEST, ALL)) if key in found]


def run(pairs: int, seed: int, jobs: int) -> list[Row]:
    """Rows of tasks 0, 1, ... until there are as many pairs; the same for any number of jobs."""
    rows: list[Row] = []
    done, start = 0, time.monotonic()
    with ProcessPoolExecutor(jobs) as pool:
        waiting: list[Future[list[Row]]] = []
        tasks = count()
        while done < pairs:
            waiting += [pool.submit(rows_of_task, seed, task) for task in islice(tasks, 2 * jobs - len(waiting))]
            found = waiting.pop(0).result()
            rows = merged([*rows, *found])
            done += sum(row.pairs for row in found)
            rate = done / (time.monotonic() - start)
            left = max(pairs - done, 0) / max(rate, 1) / 60
            broken = sum(row.broken for row in rows)
            print(f"{done:,d} pairs, {rate:,.0f}/s, {left:.0f} min left, {broken} broken", file=sys.stderr, flush=True)
        pool.shutdown(cancel_futures=True)
    return rows


def write_csv(rows: Iterable[Row], path: Path) -> None:
    """One line per row; percentages to four digits."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in asdict(row).items()})


def markdown(rows: list[Row], seed: int) -> str:
    """A page: what holds, and a line per dataflow and objective, all resources together."""
    pairs, broken = sum(row.pairs for row in rows), sum(row.broken for row in rows)
    lines = [
        "# Laws of mapping, on random pairs",
        "",
        f"`python -m benchmarks.laws --pairs {pairs} --seed {seed}`: {pairs:,d} pairs of a layer on two designs, one",
        f"with more of a resource than the other. {broken:,d} of them break a law: costs rise (on systolic arrays more",
        "rows or columns may cost energy: words cross more PEs), DRAM traffic rises at equal cost, or a count is",
        "impossible (MACs lost, more than one a cycle and PE, traffic below compulsory, a negative count, parts that",
        "miss their total). By resource: `laws.csv`. DRAM traffic may rise where a larger design buys speed or energy",
        "with it; the least traffic of all mappings, the objective `dram`, does not.",
        "",
        "| dataflow | objective | pairs | costs less | costs more | DRAM rises at equal cost | impossible counts "
        "| DRAM rises | by at most |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in merged(replace(row, more_of=ALL) for row in rows):
        cells = (
            row.dataflow.replace("_", " "), row.objective, f"{row.pairs:,d}", f"{row.improved:,d}",
            f"{row.cost_rises:,d}", f"{row.dram_rises_at_equal_cost:,d}", f"{row.counts_broken:,d}",
            f"{100 * row.dram_rises / row.pairs:.1f} %", f"{row.worst_dram_rise_percent:.1f} %",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs"))
    options = parser.parse_args()
    rows = run(options.pairs, options.seed, options.jobs)
    options.output.mkdir(parents=True, exist_ok=True)
    write_csv(rows, options.output / "laws.csv")
    text = markdown(rows, options.seed)
    (options.output / "laws.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
