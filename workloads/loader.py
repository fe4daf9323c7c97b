"""Workloads by name or from a file: our layer CSV and SCALE-Sim topologies.

Layer CSV: a header with the columns of `COLUMNS` and any of `OPTIONAL`, in any order, one row a layer, `#`
comments. A row of kind `transposed` becomes the convolutions that compute it. Comments
of the form `# key: text` fill the fields of Workload (keys in `_KEYS`; a key may be repeated, its texts
are joined); all other comments are the description. `published_macs` and `published_gap` start with the
number and go on with its source or reason.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from dse.errors import InputError, Problem, did_you_mean, of_file
from workloads.families import find_member, near_member
from workloads.layer import EDGES, KINDS, OPTIONS, SHARES, SIZES, Kind, Layer, Workload, value_problems
from workloads.scalesim import read_topology, topology_columns
from workloads.table import Row, Table, read_text, share, split_table, whole_number
from workloads.transposed import TransposedConvolution

COLUMNS = ("layer", "kind", *SIZES)
OPTIONAL = ("output_padding", *OPTIONS)
TRANSPOSED = "transposed"
_FOLDER = Path(__file__).parent
_KEYS = ("source", "input", "published_macs", "published_gap", "outside the model")
_HEADER_HINT = f"the header is {','.join(COLUMNS)}"


def list_workloads() -> tuple[str, ...]:
    """Names of the shipped networks, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.csv")))


def is_named(name: str) -> bool:
    """Whether a network has this name: a shipped one, or a member of a family."""
    return name in list_workloads() or find_member(name) is not None


def load_workload(name_or_path: str | os.PathLike[str]) -> Workload:
    """The shipped network or member of a family of that name, or the network described by a .csv file.

    Raises InputError with everything that is wrong: the first 20 problems, then how many more.
    """
    given = os.fspath(name_or_path)
    names = list_workloads()
    if given in names:
        return parse_workload(read_text(_FOLDER / f"{given}.csv"), given, f"{given}.csv")
    member = find_member(given)
    if member is not None:
        return member
    suffix = Path(given).suffix.lower()
    if suffix == ".csv":
        return parse_workload(read_text(given), Path(given).stem, given)
    if suffix == ".onnx":
        hint = f"give a layer CSV, a SCALE-Sim topology CSV, or one of: {', '.join(names)}"
        raise InputError(Problem(given, "ONNX files are not supported yet", hint=hint))
    rule = "must be a shipped network, a member of a family or the path of a .csv file"
    raise InputError(Problem("workload", rule, given, near_member(Path(given).name) or did_you_mean(given, names)))


def parse_workload(text: str, name: str, where: str) -> Workload:
    """A workload from the text of a layer CSV or SCALE-Sim topology; `where` names the file in messages."""
    table = split_table(text, where)
    if not table.rows:
        raise InputError(Problem(where, "has no header and no layers", hint=_HEADER_HINT))
    columns = topology_columns(table.rows[0])
    layers, problems = read_topology(table, columns) if columns else _read_layers(table)
    notes, note_problems = _read_comments(table)
    problems = (*problems, *note_problems)
    if not problems and not layers:
        problems = (Problem(where, "has a header and no layers"),)
    if problems:
        raise of_file(problems, where)
    published_macs, published_macs_source = _number_and_text(notes["published_macs"])
    published_gap, published_gap_reason = _number_and_text(notes["published_gap"])
    return Workload(
        name=name,
        layers=layers,
        description=notes["description"],
        source=notes["source"] or ("SCALE-Sim topology" if columns else ""),
        input=notes["input"],
        published_macs=published_macs,
        published_macs_source=published_macs_source,
        published_gap=published_gap or 0,
        published_gap_reason=published_gap_reason,
        outside=notes["outside the model"],
    )


def _read_layers(table: Table) -> tuple[tuple[Layer, ...], tuple[Problem, ...]]:
    header, *rows = table.rows
    problems = _header_problems(table, header)
    layers: list[Layer] = []
    lines: dict[str, int] = {}
    for row in [] if problems else rows:
        read, wrong = _read_row(table, header.cells, row)
        layers += read
        problems += wrong
        name = row.cells[header.cells.index("layer")] if len(row.cells) == len(header.cells) else ""
        if name and name in lines:
            rule = f"name is used in line {lines[name]} already"
            problems.append(Problem(table.at(row, "layer"), rule, name, "equal layers: one row with a count"))
        lines.setdefault(name, row.line)
    return tuple(layers), tuple(problems)


def _header_problems(table: Table, header: Row) -> list[Problem]:
    missing = [column for column in COLUMNS if column not in header.cells]
    if len(missing) == len(COLUMNS):
        return [Problem(table.at(header), "is not the header of a layer CSV", header.cells[0], _HEADER_HINT)]
    problems = [Problem(table.at(header), f"column `{column}` is missing") for column in missing]
    for place, title in enumerate(header.cells):
        if title not in (*COLUMNS, *OPTIONAL):
            hint = did_you_mean(title, (*COLUMNS, *OPTIONAL))
            problems.append(Problem(table.at(header), "unknown column", title, hint))
        elif title in header.cells[:place]:
            problems.append(Problem(table.at(header), "column is there twice", title))
    return problems


def _read_row(table: Table, header: tuple[str, ...], row: Row) -> tuple[tuple[Layer, ...], list[Problem]]:
    """The layers of a row, usually one, or what is wrong with it."""
    if len(row.cells) != len(header):
        return (), [Problem(table.at(row), f"must have {len(header)} values, has {len(row.cells)}")]
    cells = {title: cell for title, cell in zip(header, row.cells, strict=True) if cell or title in COLUMNS}
    name, kind = cells.pop("layer"), cells.pop("kind")
    values = {
        title: (share if title in SHARES else whole_number)(cell, table.at(row, title)) for title, cell in cells.items()
    }
    numbers = {title: value for title, value in values.items() if not isinstance(value, Problem)}
    problems = [value for value in values.values() if isinstance(value, Problem)]
    if not name:
        problems.append(Problem(table.at(row, "layer"), "must not be empty"))
    wrong = tuple(value_problems({"kind": kind, **numbers}, (*KINDS, TRANSPOSED)))
    if not problems and not wrong:
        try:
            return _layers(name, kind, numbers), []
        except InputError as error:
            wrong = error.problems
    return (), [*problems, *(Problem(table.at(row, p.path), p.rule, p.value, p.hint) for p in wrong)]


def _layers(name: str, kind: str, numbers: Mapping[str, Any]) -> tuple[Layer, ...]:
    """The layers of a row whose single values are sound."""
    foreign = EDGES if kind == TRANSPOSED else ("output_padding",)
    rule = f"must be 0 in {'a' if kind == TRANSPOSED else 'any but a'} {TRANSPOSED} layer"
    problems = [Problem(title, rule, numbers[title]) for title in foreign if numbers.get(title)]
    if problems:
        raise InputError(problems)
    own = {title: value for title, value in numbers.items() if title not in foreign}
    if kind == TRANSPOSED:
        return TransposedConvolution(name, **own).layers()
    return (Layer(name, cast(Kind, kind), **own),)


def _read_comments(table: Table) -> tuple[dict[str, str], list[Problem]]:
    """Texts by key, and what is wrong with the numbers among them."""
    texts: dict[str, list[str]] = {key: [] for key in (*_KEYS, "description")}
    problems = []
    for row in table.comments:
        key, colon, text = row.cells[0].partition(":")
        known = bool(colon) and key.strip() in _KEYS
        texts[key.strip() if known else "description"].append(text.strip() if known else row.cells[0])
        if known and key.startswith("published") and not re.match(r"[0-9]{1,18}(\s|$)", text.strip()):
            rule = f"`{key.strip()}:` must start with a whole number"
            problems.append(Problem(table.at(row), rule, text.strip()))
    return {key: " ".join(parts).strip() for key, parts in texts.items()}, problems


def _number_and_text(text: str) -> tuple[int | None, str]:
    number, _, rest = text.partition(" ")
    return (int(number) if number else None), rest.strip()
