"""The usable points of a run, feasible and within its constraints, as numpy columns that can be grouped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dse.errors import RunError
from dse.metrics import METRICS, of_networks
from dse.pareto import non_dominated
from dse.report.run import Run
from pe_library.model import list_pe_types, load_pe_type

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

MAX = "max"  # the clock setting of designs that run at their own maximum
ANY = "any"  # stands for all clock settings where the fronts over them are all that a run keeps
KEYS = ("workload", "clock_setting", "pe_type")  # what a best design is the best of
LABELS = (*KEYS, "dataflow")
NETWORK = "network"  # the workload itself, also where "workload" stands for the data set whose networks compete


@dataclass(frozen=True)
class Points:
    """Rows that are feasible and within the constraints of the run.

    `row` is the index of each in points.parquet; `codes` gives, per key of `LABELS` and `NETWORK`, the index of its
    value in `names`; `values` one column per metric, by metric name.
    """

    row: IntArray
    codes: Mapping[str, IntArray]
    names: Mapping[str, tuple[str, ...]]
    values: Mapping[str, FloatArray]

    @property
    def compete(self) -> bool:
        """Whether "workload" stands for the data set whose networks compete."""
        return self.names["workload"] != self.names[NETWORK]

    def apart(self) -> Points:
        """The same points, each network on its own."""
        codes = {**self.codes, "workload": self.codes[NETWORK]}
        return replace(self, codes=codes, names={**self.names, "workload": self.names[NETWORK]})

    def label(self, key: str, position: int) -> str:
        """The value of a key of `LABELS`, or of `NETWORK`, at a position."""
        return self.names[key][int(self.codes[key][position])]

    def groups(self, *keys: str) -> Iterator[tuple[tuple[str, ...], IntArray]]:
        """Positions of the points that share their values of `keys`, with those values; empty groups left out."""
        sizes = [len(self.names[key]) for key in keys]
        code = np.zeros(len(self.row), np.min_scalar_type(math.prod(sizes)))  # few groups: a short code sorts fast
        for key, size in zip(keys, sizes, strict=True):
            code = code * code.dtype.type(size) + self.codes[key].astype(code.dtype)
        order = np.argsort(code, kind="stable")
        present, starts = np.unique(code[order], return_index=True)
        for value, group in zip(present, np.split(order, starts[1:]), strict=True):
            at = np.unravel_index(int(value), sizes)
            yield tuple(self.names[key][int(i)] for key, i in zip(keys, at, strict=True)), group

    def best(self, positions: IntArray, metrics: Sequence[str]) -> int:
        """The best of `positions` in the first metric; ties are broken by the next metrics, then by the first row."""
        for name in metrics:
            values = self.values[name][positions]
            best = values.max() if METRICS[name].maximize else values.min()
            positions = positions[values == best]
        return int(positions[0])

    def front(self, positions: IntArray, metrics: Sequence[str]) -> IntArray:
        """The non-dominated ones among `positions`."""
        objectives = np.stack([self.values[name][positions] for name in metrics], axis=1)
        return positions[non_dominated(objectives, [METRICS[name].maximize for name in metrics])]


def load_points(run: Run, metrics: Sequence[str]) -> Points:
    """Read the given metrics of all usable rows. Raises RunError when no row is usable.

    Where an accuracy is among the metrics, or the run was kept so, the networks of a data set compete: "workload" is
    then the data set. Rows without that accuracy are left out.
    """
    constraints = run.constraints
    needed = tuple(dict.fromkeys((*metrics, *constraints)))
    if of_networks(metrics) and not run.accuracies:
        raise RunError(_why_no_accuracy(run))
    table = run.table([*LABELS, "feasible", *(METRICS[name].column for name in needed)])
    values = {name: _floats(table[METRICS[name].column]) for name in needed}
    feasible = table["feasible"].to_numpy()
    usable = feasible & _within(constraints, values)
    if not usable.any():
        raise RunError(_why_none(run, feasible, constraints))
    for name in filter(lambda name: METRICS[name].of_network, metrics):
        usable = usable & ~np.isnan(values[name])
    if not usable.any():
        raise RunError(_why_no_accuracy(run))
    codes, names = {}, {}
    for key in LABELS:
        codes[key], names[key] = _encode(table[key], _order(run, key))
    if run.kept is not None and len(run.clock_settings) > 1:
        codes["clock_setting"], names["clock_setting"] = np.zeros(len(usable), np.int64), (ANY,)
    codes[NETWORK], names[NETWORK] = codes["workload"], names["workload"]
    if of_networks(metrics) or (run.reported is not None and run.competes):
        codes["workload"], names["workload"] = _by_dataset(run, codes[NETWORK], names[NETWORK])
    keep = np.flatnonzero(usable)
    return Points(
        keep,
        {key: code[keep] for key, code in codes.items()},
        names,
        {name: values[name][keep] for name in metrics},
    )


def better_by(metric: str, value: Any, reference: Any) -> Any:
    """How many times better `value` is than `reference`: above 1 is better, whatever the direction of the metric."""
    return value / reference if METRICS[metric].maximize else reference / value


def clock_label(setting: str) -> str:
    """`own fmax`, `iso 200 MHz` or `any clock`."""
    return {MAX: "own fmax", ANY: "any clock"}.get(setting, f"iso {setting} MHz")


def short_flow(dataflow: str) -> str:
    """`weight` for `weight_stationary`: what the dataflow keeps in place."""
    return dataflow.removesuffix("_stationary")


def pe_label(pe_type: str) -> str:
    """The PE type's display name, or its plain name when the library no longer has it."""
    return load_pe_type(pe_type).label if pe_type in list_pe_types() else pe_type


def limits_text(constraints: Mapping[str, Any]) -> str:
    """Constraints as people write them, like `accuracy >= 90 %, area <= 20 mm2`."""
    return ", ".join(
        f"{name} {sign} {limit:.12g} {METRICS[name].unit}".rstrip()
        for name, limits in constraints.items()
        for sign, limit in ((">=", limits.get("min")), ("<=", limits.get("max")))
        if limit is not None
    )


def _within(constraints: Mapping[str, Any], values: Mapping[str, FloatArray]) -> BoolArray | np.bool_:
    within: BoolArray | np.bool_ = np.True_
    for name, limits in constraints.items():
        low, high = limits.get("min"), limits.get("max")
        within = within & (values[name] >= (-np.inf if low is None else low))
        within = within & (values[name] <= (np.inf if high is None else high))
    return within


def _why_none(run: Run, feasible: BoolArray, constraints: Mapping[str, Any]) -> str:
    if run.kept is not None and not len(feasible):
        within = f" within the constraints: {limits_text(constraints)}" if constraints else ""
        return f"run `{run.name}` keeps no point: none of its {run.meta.get('designs'):,} designs is feasible{within}"
    if feasible.any():
        known = f"none of the {feasible.sum():,} feasible points of run `{run.name}`"
        return f"{known} is within the constraints: {limits_text(constraints)}"
    reasons = run.table(["reason"])["reason"].value_counts().to_pylist()
    top = sorted(reasons, key=lambda item: -item["counts"])[:3]
    shown = "; ".join(f"{item['values']} ({item['counts']:,})" for item in top)
    return f"run `{run.name}` has no feasible point; most frequent reasons: {shown or 'the run has no points'}"


def _by_dataset(run: Run, codes: IntArray, networks: Sequence[str]) -> tuple[IntArray, tuple[str, ...]]:
    """Codes of networks as codes of their data sets, and the names of these."""
    datasets = [run.dataset(network) for network in networks]
    names = tuple(dict.fromkeys(datasets))
    return np.array([names.index(dataset) for dataset in datasets], np.int64)[codes], names


def _why_no_accuracy(run: Run) -> str:
    return f"no accuracy of a usable design of run `{run.name}` is known; see `accuracy` in docs/config.md"


def _floats(column: pa.ChunkedArray) -> FloatArray:
    return np.asarray(pc.fill_null(column, np.nan).to_numpy(), np.float64)


def _order(run: Run, key: str) -> tuple[str, ...]:
    """The display order of a key's known values."""
    if key == "pe_type":
        return list_pe_types()
    if key == "dataflow":
        return tuple(run.config["space"].get("dataflow", ()))
    return tuple(run.config.get("workloads", ())) if key == "workload" else (MAX,)


def _encode(column: pa.ChunkedArray, order: Sequence[str]) -> tuple[IntArray, tuple[str, ...]]:
    """Codes into the names of a column: first those of `order`, then the others, numbers by size."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    chunks = column.unify_dictionaries().chunks
    labels = [str(value) for value in chunks[0].dictionary.to_pylist()] if chunks else []
    known = {name: index for index, name in enumerate(order)}
    names = tuple(sorted(labels, key=lambda name: (known.get(name, len(known)), _number(name), name)))
    place = np.array([names.index(label) for label in labels], np.int64)
    indices = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in chunks]
    return place[np.concatenate(indices)] if indices else np.zeros(0, np.int64), names


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.inf
