"""A finished run on disk: its provenance (`run.json`) and its points (`points.parquet`).

A run has millions of rows of some fifty columns; everything here reads only the columns, or only the rows, asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dse.errors import InputError, Problem, RunError
from dse.metrics import of_networks
from dse.provenance import provenance_line
from workloads.layer import Accuracy

IntArray = NDArray[np.int64]

RESULTS = Path("results")
META = "run.json"
POINTS = "points.parquet"
MANY_NETWORKS = 12  # a report does not show so many, one by one
UNNAMED = "unnamed data set"


@dataclass(frozen=True)
class Run:
    """A run directory: `meta` is the content of run.json; one row of the points is one design on one workload."""

    path: Path
    meta: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the study."""
        return str(self.meta["name"])

    @property
    def provenance(self) -> str:
        """The line that begins every table and goes into every figure."""
        return provenance_line(self.name, self.meta["config_sha256"], self.meta["seed"], self.meta["pe_models"])

    @property
    def config(self) -> Mapping[str, Any]:
        """The resolved config, as plain lists and mappings."""
        config: Mapping[str, Any] = self.meta["config"]
        return config

    @property
    def kept(self) -> tuple[str, ...] | None:
        """The metrics whose fronts, or best points, are all that the run keeps; None where it keeps every point."""
        keep = self.meta.get("keep", "all")
        if keep == "all":
            return None
        objectives = tuple(self.config["objectives"])
        return objectives if keep == "front" else objectives[:1]

    @property
    def searched(self) -> bool:
        """Whether the points are those that a search came by (`dse optimize`), not all there are."""
        return "optimize" in self.meta

    @property
    def constraints(self) -> Mapping[str, Any]:
        """Limits by metric."""
        return self.config.get("constraints") or {}

    @property
    def reported(self) -> tuple[str, ...] | None:
        """The metrics whose fronts are all that a report shows: `kept`; the objectives where networks compete and
        there are many, or only what a search came by; None where it shows every network by itself."""
        few = not self.searched and len(self.config.get("workloads", ())) <= MANY_NETWORKS
        if self.kept is not None or not self.competes or few:
            return self.kept
        return tuple(self.config["objectives"])

    @property
    def competes(self) -> bool:
        """Whether the networks of a data set compete: accuracy is an objective (`Study.contests`)."""
        return of_networks(self.config.get("objectives", ()))

    @cached_property
    def accuracies(self) -> dict[str, dict[str, Accuracy]]:
        """Network -> PE type -> accuracy, as the config found them; a network without any is not there."""
        known: Mapping[str, Sequence[Mapping[str, Any]]] = self.config.get("workload_accuracies", {})
        return {network: {each["pe_type"]: Accuracy(**each) for each in own} for network, own in known.items() if own}

    def dataset(self, network: str) -> str:
        """The data set that the accuracies of a network are of; one not named is of this network alone."""
        known = self.config.get("workload_accuracies", {}).get(network)
        return (known and known[0]["dataset"]) or f"{UNNAMED} of {network}"

    @property
    def clock_settings(self) -> tuple[Any, ...]:
        """The values of the clock axis."""
        return tuple(self.config["space"].get("clock_mhz", ()))

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows of the given columns (default: all). Raises RunError when the file cannot give them."""
        with self._open() as file:
            self._require(file, columns or ())
            return file.read(columns=None if columns is None else list(columns))

    def rows(self, indices: IntArray) -> pa.Table:
        """All columns of the rows with these indices, in the order given. Reads only the row groups they lie in."""
        indices = np.asarray(indices, np.int64)
        wanted, place = np.unique(indices, return_inverse=True)
        with self._open() as file:
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            starts = np.cumsum([0, *sizes])
            bounds = np.searchsorted(wanted, starts)
            parts = [
                file.read_row_group(group).take(wanted[low:high] - starts[group])
                for group, (low, high) in enumerate(pairwise(bounds))
                if high > low
            ]
            found = pa.concat_tables(parts) if parts else file.schema_arrow.empty_table()
        return found.unify_dictionaries().combine_chunks().take(place)

    def _open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self.path / POINTS)
        except (OSError, pa.ArrowInvalid) as error:
            raise RunError(f"{self.path / POINTS} cannot be read ({error}); run `dse sweep` again") from error

    def _require(self, file: pq.ParquetFile, columns: Sequence[str]) -> None:
        missing = sorted(set(columns) - set(file.schema_arrow.names))
        if missing:
            lacking = ", ".join(missing)
            raise RunError(f"{self.path / POINTS} lacks the columns {lacking}; run `dse sweep --fresh` with this dse")


def open_run(path: Path | str | None = None, results: Path = RESULTS) -> Run:
    """Open a run directory, a run of `results` by its name, or (None) the newest run of `results`.

    Raises InputError when there is no such run, RunError when its run.json is broken.
    """
    directory = _newest(results) if path is None else _find(Path(path), results)
    try:
        meta = json.loads((directory / META).read_text(encoding="utf-8"))
        lacking = [key for key in ("name", "config", "config_sha256", "seed", "pe_models") if key not in meta]
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{directory / META} cannot be read ({error})") from error
    if lacking:
        raise RunError(f"{directory / META} lacks {', '.join(lacking)}")
    return Run(directory, meta)


def _is_run(path: Path) -> bool:
    return (path / META).is_file() and (path / POINTS).is_file()


def _find(path: Path, results: Path) -> Path:
    for candidate in (path, results / path):
        if _is_run(candidate):
            return candidate
    rule = f"must be a directory with {META} and {POINTS}"
    raise InputError(Problem("RUN", rule, str(path), "`dse sweep CONFIG` makes one"))


def _newest(results: Path) -> Path:
    found = [meta.parent for meta in results.glob(f"*/{META}") if _is_run(meta.parent)]
    if not found:
        rule = f"must be named when there is no run under {results}/"
        raise InputError(Problem("RUN", rule, hint="`dse sweep CONFIG` makes one"))
    return max(found, key=lambda run: ((run / META).stat().st_mtime_ns, run.name))
