"""Accuracy of networks on the operands of PE types, from tables: shipped ones and the user's own.

Every value has a level of evidence. `measured`: trained and tested, mean over seeds; `published`: read in the source
named; `ranked`: the score of a weight-sharing network, which orders architectures and is no task accuracy. How they
were made is in docs/accuracy.md. A value that no table has is missing, never estimated.
"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dse.errors import InputError, Problem, did_you_mean, of_file
from workloads.layer import Accuracy, Workload
from workloads.loader import is_named, load_workload
from workloads.table import Row, Table, percent, read_text, split_table

LEVELS = ("measured", "published", "ranked")  # a value of the first one that is there counts
REFERENCE = "fp32"  # PE type that others are compared with
FIRST, UNCOUNTED = "standard", ("demo",)  # the recipe that counts where a network has several; too short to count
COLUMNS = ("network", "pe_type", "accuracy_percent", "evidence", "source")
OPTIONAL = ("dataset", "error_percent")
_FOLDER = Path(__file__).parent / "accuracy"
_DECIMALS = 9  # of a mean or difference: what floats add would break a limit that is just met


@dataclass(frozen=True)
class Run:
    """One row of a table: one training, one score, or one published value.

    Rows of one `origin` (a recipe, a source, a user's table) compare with each other, rows of two do not.
    """

    network: str
    pe_type: str
    dataset: str
    percent: float
    error_percent: float | None
    evidence: str
    source: str
    origin: str
    seed: int = 0
    fp32_percent: float | None = None  # of its own source


def with_accuracies(
    workloads: Iterable[Workload], own: Collection[Run], shipped: Collection[Run], levels: Collection[str]
) -> list[Workload]:
    """The workloads with what the tables know of them at these levels of evidence, one value per PE type.

    A user's values go by name and count before shipped ones, which are for networks of the very layers and, where the
    user names a data set, of that one. Raises InputError where the user's values of a network are of several.
    """
    named = {run.network: run.dataset for run in own if run.dataset and run.evidence in levels}
    mine = accuracies(own, levels)
    theirs = accuracies([run for run in shipped if run.dataset == named.get(run.network, run.dataset)], levels)
    known = {name: theirs[name] | mine.get(name, {}) for name in theirs}
    return [_with(each, known if each.name in known and is_shipped(each) else mine) for each in workloads]


def _with(workload: Workload, known: Mapping[str, Mapping[str, Accuracy]]) -> Workload:
    values = known.get(workload.name, {}).values()
    types: dict[str, list[str]] = {}
    for value in values:
        if value.dataset:
            types.setdefault(value.dataset, []).append(value.pe_type)
    if len(types) > 1:
        rule = f"accuracies of {workload.name} must be of one data set"
        raise InputError(
            Problem("dataset", rule, "; ".join(f"{name}: {', '.join(own)}" for name, own in types.items()))
        )
    return replace(workload, accuracies=tuple(replace(value, dataset="".join(types)) for value in values))


def with_datasets(own: Iterable[Run], workloads: Mapping[str, Workload]) -> list[Run]:
    """A user's rows; those that name no data set have that of the shipped accuracies of their network, if any."""
    rows = list(own)
    wanted = {run.network for run in rows if not run.dataset}
    shipped = {run.network: run.dataset for run in (shipped_runs() if wanted else ()) if run.network in wanted}
    known = {name: dataset for name, dataset in shipped.items() if is_shipped(workloads[name])}
    return [run if run.dataset else replace(run, dataset=known.get(run.network, "")) for run in rows]


def is_shipped(workload: Workload) -> bool:
    """Whether it has the layers of the shipped network, or member of a family, of its name."""
    return is_named(workload.name) and workload.layers == load_workload(workload.name).layers


def accuracies(runs: Collection[Run], levels: Collection[str] = LEVELS) -> dict[str, dict[str, Accuracy]]:
    """Network -> PE type -> accuracy: of the most trusted level of those given, of several origins the first."""
    found: dict[str, dict[str, Accuracy]] = {}
    for level in (level for level in LEVELS if level in levels):
        groups: dict[tuple[str, str], dict[str, list[Run]]] = {}
        for run in (run for run in runs if run.evidence == level):
            groups.setdefault((run.network, run.pe_type), {}).setdefault(run.origin, []).append(run)
        for (network, pe_type), by_origin in groups.items():
            origin, own = next(iter(by_origin.items()))
            value = _mean(own, groups.get((network, REFERENCE), {}).get(origin, []))
            found.setdefault(network, {}).setdefault(pe_type, value)
    return found


def shipped_runs(levels: Collection[str] = LEVELS) -> tuple[Run, ...]:
    """All rows of the shipped tables of these levels of evidence."""
    tables: dict[str, Callable[[], Iterator[Run]]] = {"measured": _measured, "published": _published, "ranked": _ranked}
    return tuple(run for level in LEVELS if level in levels for run in tables[level]())


def _measured() -> Iterator[Run]:
    for row in sorted(shipped_rows("measured.csv"), key=lambda row: row["recipe"] != FIRST):
        if row["recipe"] not in UNCOUNTED:
            yield _run(row, "top1_percent", recipe_source(row))


def recipe_source(row: Mapping[str, str]) -> str:
    """The source of a measured accuracy: its recipe."""
    return f"recipe {row['recipe']} {row['recipe_sha256']}"


def _published() -> Iterator[Run]:
    return (_run(row, "top1_percent", row["source"]) for row in shipped_rows("published.csv") if row["pe_type"])


def _ranked() -> Iterator[Run]:
    for row in shipped_rows("ranked.csv"):
        yield _run(row, "score_percent", f"weight-sharing network {row['recipe_sha256']}")


def read_runs(
    path: str | os.PathLike[str], networks: Collection[str], pe_types: Collection[str], where: str = ""
) -> tuple[Run, ...]:
    """The rows of a user's table: COLUMNS, any of OPTIONAL, `#` comments. Raises InputError with all that is wrong."""
    table = split_table(read_text(path), where or os.fspath(path))
    if len(table.rows) < 2:
        raise InputError(Problem(table.where, "must have a header and rows", hint=f"the header is {','.join(COLUMNS)}"))
    header, *rows = table.rows
    problems = _header_problems(table, header) or _shares(table, header, rows)
    runs: list[Run] = []
    lines: dict[tuple[str, str, str], int] = {}
    for row in [] if problems else rows:
        run = _checked(table, header, row, networks, pe_types)
        if isinstance(run, list):
            problems += run
        elif (key := (run.network, run.pe_type, run.evidence)) in lines:
            problems.append(Problem(table.at(row), f"repeats line {lines[key]}", f"{run.network}, {run.pe_type}"))
        else:
            lines[key] = row.line
            runs.append(run)
    if problems:
        raise of_file(problems, table.where)
    return tuple(runs)


def _mean(runs: Sequence[Run], reference: Sequence[Run]) -> Accuracy:
    """Mean over seeds. Its variance: that of the mean over seeds, and that of one test set, which all of them share."""
    first, values = runs[0], [run.percent for run in runs]
    of_test = statistics.fmean(run.error_percent for run in runs if run.error_percent is not None) if all(
        run.error_percent is not None for run in runs) else None  # fmt: skip
    of_seeds = error_of_mean(values) or 0.0
    by_seed = {run.seed: run.percent for run in reference}
    by_seed |= {run.seed: run.fp32_percent for run in runs if run.fp32_percent is not None}
    drops = paired_drops({run.seed: run.percent for run in runs}, by_seed)
    return Accuracy(
        first.pe_type, first.dataset, mean_percent(values),
        None if of_test is None else math.hypot(of_test, of_seeds), first.evidence, first.source, len(runs),
        mean_percent(drops) if drops else None, error_of_mean(drops), first.origin,
    )  # fmt: skip


def mean_percent(values: Sequence[float]) -> float:
    """The mean of percentages or of their differences, without what floats add: equal ones are to stay equal."""
    return round(statistics.fmean(values), _DECIMALS)


def paired_drops(own: Mapping[int, float], reference: Mapping[int, float]) -> list[float]:
    """How far accuracies are below those of the reference, both by seed, for the seeds that both have."""
    return [round(reference[seed] - percent, _DECIMALS) for seed, percent in own.items() if seed in reference]


def error_of_mean(values: Sequence[float]) -> float | None:
    """Standard error of the mean of a sample, None for fewer than two values."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


def shipped_rows(name: str) -> list[dict[str, str]]:
    """The rows of a shipped table; none where it does not exist."""
    path = _FOLDER / name
    if not path.exists():
        return []
    header, *rows = split_table(read_text(path), name).rows
    return [dict(zip(header.cells, row.cells, strict=True)) for row in rows]


def _run(row: dict[str, str], column: str, source: str) -> Run:
    error, fp32 = row.get("stderr_percent"), row.get("fp32_percent")
    return Run(
        row["network"], row["pe_type"], row["dataset"], float(row[column]), float(error) if error else None,
        row["evidence"], source, source, int(row.get("seed", 0)), float(fp32) if fp32 else None,
    )  # fmt: skip


def _shares(table: Table, header: Row, rows: Sequence[Row]) -> list[Problem]:
    """Accuracies that are all at most 1 are shares, not percentages."""
    place = header.cells.index("accuracy_percent")
    try:
        values = [float(row.cells[place]) for row in rows]
    except (IndexError, ValueError):  # a problem of that row
        return []
    if not 0 < max(values) <= 1:
        return []
    return [Problem(table.at(rows[0], "accuracy_percent"), "must be percentages; all are at most 1", values[0])]


def _header_problems(table: Table, header: Row) -> list[Problem]:
    for separator in (";", "\t"):
        if len(header.cells) == 1 and separator in header.cells[0]:
            return [Problem(table.at(header), "values must be separated by commas", header.cells[0])]
    problems = [
        Problem(table.at(header), f"column `{name}` is missing") for name in COLUMNS if name not in header.cells
    ]
    for place, name in enumerate(header.cells):
        if name not in (*COLUMNS, *OPTIONAL):
            problems.append(
                Problem(table.at(header), "unknown column", name, did_you_mean(name, (*COLUMNS, *OPTIONAL)))
            )
        elif name in header.cells[:place]:
            problems.append(Problem(table.at(header), "column is there twice", name))
    return problems


def _checked(
    table: Table, header: Row, row: Row, networks: Collection[str], pe_types: Collection[str]
) -> Run | list[Problem]:
    """The run of a row, or what is wrong with it."""
    if len(row.cells) != len(header.cells):
        return [Problem(table.at(row), f"must have {len(header.cells)} values, has {len(row.cells)}")]
    cells = dict(zip(header.cells, row.cells, strict=True))
    problems = [Problem(table.at(row, name), "must not be empty") for name in COLUMNS if not cells[name]]
    known = {"network": (networks, "unknown network"), "pe_type": (pe_types, "unknown PE type"),
             "evidence": (LEVELS, "unknown level of evidence")}  # fmt: skip
    for name, (names, rule) in known.items():
        if cells[name] and cells[name] not in names:
            problems.append(Problem(table.at(row, name), rule, cells[name], did_you_mean(cells[name], names)))
    numbers = {name: percent(cells[name], table.at(row, name)) for name in ("accuracy_percent", "error_percent")
               if cells.get(name)}  # fmt: skip
    problems += [number for number in numbers.values() if isinstance(number, Problem)]
    if problems:
        return problems
    accuracy, error = (value if isinstance(value := numbers.get(name), float) else None
                       for name in ("accuracy_percent", "error_percent"))  # fmt: skip
    assert accuracy is not None  # an empty cell is a problem
    return Run(
        cells["network"], cells["pe_type"], cells.get("dataset", ""), accuracy, error, cells["evidence"],
        cells["source"], table.where,
    )  # fmt: skip
