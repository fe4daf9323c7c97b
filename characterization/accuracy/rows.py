"""Measured accuracies: one row per network, PE type, seed and recipe in `workloads/accuracy/measured.csv`."""

from __future__ import annotations

import base64
import csv
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from dse.errors import InputError, Problem

TABLES = Path(__file__).resolve().parents[2] / "workloads" / "accuracy"
MEASURED = TABLES / "measured.csv"
RANKED = TABLES / "ranked.csv"
PAIRS = TABLES / "pairs.csv"  # to train alone: how well scores order networks
TYPE_PAIRS = TABLES / "type_pairs.csv"  # the same: how well they order PE types
IMAGES = "measured_images.csv"  # beside the measured table: for each row which test images are right, as bits


@dataclass(frozen=True, order=True)
class Measured:
    """Accuracy of a network on the operands of a PE type, trained and tested; percentages of the test images.

    `top1_percent` is after fine-tuning on these operands, `ptq_percent` before it: quantized, batch normalization
    recalibrated. `stderr_percent` is the binomial standard error of top-1. `cpu_s` counts base and fine-tuning.
    """

    recipe: str
    network: str
    dataset: str
    pe_type: str
    seed: int
    top1_percent: float
    stderr_percent: float
    ptq_percent: float
    test_images: int
    base_epochs: int
    tune_epochs: int
    recipe_sha256: str
    torch: str
    cpu_s: float
    evidence: str = "measured"

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What there is one row of: network, PE type, recipe digest, seed."""
        return self.network, self.pe_type, self.recipe_sha256, self.seed


def stderr_percent(top1_percent: float, images: int) -> float:
    """Standard error of a share of so many independent images: sqrt(p (1 - p) / n), in percent."""
    share = top1_percent / 100.0
    return 100.0 * math.sqrt(share * (1.0 - share) / images)


def read_measured(path: Path = MEASURED) -> tuple[Measured, ...]:
    """The rows of a table, none where it does not exist."""
    kinds = {field.name: {"int": int, "float": float}.get(str(field.type), str) for field in fields(Measured)}
    return tuple(
        Measured(**{name: kinds[name](text) for name, text in row.items()})  # type: ignore[arg-type]
        for row in read_rows(path)
    )


def add_measured(row: Measured, right: NDArray[np.bool_], path: Path = MEASURED) -> None:
    """Put a row in its place, instead of one with its key, and which test images are right beside the table; several
    processes may do so at once."""
    with FileLock(path.with_suffix(".lock")):
        images = path.with_name(IMAGES)
        own = {"network": row.network, "pe_type": row.pe_type, "recipe_sha256": row.recipe_sha256,
               "seed": str(row.seed)}  # fmt: skip
        others = [each for each in read_rows(images) if not own.items() <= each.items()]
        coded = base64.b64encode(np.packbits(right).tobytes()).decode()
        every = [*others, own | {"test_images": str(len(right)), "right_base64": coded}]
        write_rows(images, sorted(every, key=lambda each: [*each.values()][:4]))
        rows = {each.key: each for each in read_measured(path)} | {row.key: row}
        write_rows(path, [_texts(each) for each in sorted(rows.values())])


def _texts(row: Measured) -> dict[str, str]:
    digits = {"top1_percent": 2, "ptq_percent": 2, "stderr_percent": 3, "cpu_s": 0}
    values = asdict(row)
    return {name: f"{value:.{digits[name]}f}" if name in digits else str(value) for name, value in values.items()}


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV with `#` comments, none where it does not exist."""
    if not path.exists():
        return []
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def read_pairs(path: Path = PAIRS) -> tuple[tuple[str, str], ...]:
    """Networks and PE types of a CSV with these columns, once each. Raises InputError where it has none."""
    rows = read_rows(path)
    if not rows or not {"network", "pe_type"} <= set(rows[0]):
        raise InputError(Problem(str(path), "must be a CSV with the columns network and pe_type, and rows"))
    return tuple(dict.fromkeys((row["network"], row["pe_type"]) for row in rows))


def write_rows(path: Path, rows: Sequence[Mapping[str, str]], comments: Iterable[str] = ()) -> None:
    """Write a CSV in one go: a reader finds the file before or after."""
    text = io.StringIO()
    text.writelines(f"# {comment}\n" for comment in comments)
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(text.getvalue(), encoding="utf-8", newline="\n")
    os.replace(draft, path)
