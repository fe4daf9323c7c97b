"""Reading a YAML file that nobody vouches for, and saying where in it something is wrong.

The file becomes plain dicts, lists and scalars by the YAML 1.2 core rules: `no`, `1:30`, `010` and `2024-01-01` are
text, `1e3` is a number. Nothing is executed and no tag constructs an object; size, nesting and the number of values
(aliases counted as often as they are used) are limited; a key given twice is an error, not a silent choice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dse.errors import InputError, Problem

MAX_BYTES = 1 << 20
MAX_NODES = 100_000  # values and keys, counting those an alias repeats
MAX_DEPTH = 32

Location = tuple[str | int, ...]  # keys and list positions from the top of the document


@dataclass(frozen=True)
class Source:
    """Outside data, where it came from, and the line of each of its parts (empty when there are no lines)."""

    origin: str
    data: Any
    lines: Mapping[Location, int] = field(default_factory=dict)

    def problem(self, location: Location, rule: str, value: object = None, hint: str = "") -> Problem:
        """A problem at `location`: its path reads `origin:line: space.rows[2]`."""
        line = next(
            (self.lines[location[:n]] for n in range(len(location), -1, -1) if location[:n] in self.lines), None
        )
        where = self.origin if line is None else f"{self.origin}:{line}"
        return Problem(": ".join(filter(None, (where, dotted(location)))), rule, value, hint)

    def in_order(self, problems: Iterable[Problem]) -> list[Problem]:
        """The problems by line; those without a line first."""

        def line(problem: Problem) -> int:
            number = problem.path.removeprefix(f"{self.origin}:").partition(":")[0]
            return int(number) if number.isdigit() else 0

        return sorted(problems, key=line)


def dotted(location: Location) -> str:
    """A location as text: `space.rows[2]`; keys that are no plain words are quoted."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = part if re.fullmatch(r"[\w-]{1,64}", part) else repr(part[:64])
            text += f".{shown}" if text else shown
    return text


def read_yaml(path: Path) -> tuple[Source, list[Problem]]:
    """Read one YAML document whose top level is a mapping.

    Returns the data and the problems that leave the rest readable (a key given twice: the first is kept). Raises
    InputError when there is nothing to go on with.
    """
    origin = str(path)
    text = _read_text(path)
    builder = _Builder(origin)
    try:
        node = _Loader(text, origin).get_single_node()
        if node is None:
            raise InputError(Problem(origin, "must not be empty", hint="`dse schema` describes the keys"))
        data = builder.build(node, ())
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputError(Problem(f"{origin}:{line}", "must be text", hint=error.reason)) from error
    except yaml.MarkedYAMLError as error:
        raise InputError(_syntax_problem(origin, error)) from error
    if not isinstance(data, dict):
        raise InputError(Problem(origin, "must be a mapping of keys to values", data))
    return Source(origin, data, builder.lines), builder.problems


def _read_text(path: Path) -> str:
    origin = str(path)
    try:
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "not a regular file"
            raise InputError(Problem(origin, "must be a file", hint=f"it is {kind}"))
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(Problem(origin, "must be a readable file", hint=reason or str(error))) from error
    if len(content) > MAX_BYTES:
        raise InputError(Problem(origin, f"must be at most {MAX_BYTES} bytes"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(Problem(origin, "must be UTF-8 text", hint=f"byte {error.start} is not")) from error


def _syntax_problem(origin: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    where = f"{origin}:{mark.line + 1}" if mark else origin
    what = error.problem or error.context or "not understood"
    if "'\\t'" in what:
        what = "indent with spaces, not tabs"
    elif "single document" in (error.context or ""):
        what = "only one document, but another `---` follows"
    return Problem(where, "must be valid YAML", hint=what)


class _Loader(yaml.SafeLoader):
    """Composes nodes only, by the YAML 1.2 core rules, and stops at the limits."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  PyYAML's own name

    def __init__(self, text: str, origin: str) -> None:
        super().__init__(text)
        self.origin = origin
        self.depth = 0
        self.nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """As PyYAML composes a node, within the limits (its composer would recurse without end)."""
        self.depth += 1
        self.nodes += 1
        _check_limits(self.origin, self.depth, self.nodes)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_TAG = "tag:yaml.org,2002:"
_FLOAT = r"[-+]?(?:\.\d+|\d+\.\d*)(?:[eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?(?:0|[1-9]\d*)", [*"-+0123456789"]),
    ("float", _FLOAT, [*"-+.0123456789"]),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z", re.ASCII), _first)


def _text(text: str) -> str:
    text.encode()  # raises ValueError for the half characters that escapes can write
    return text


_SCALARS: dict[str, Callable[[str], object]] = {
    _TAG + "null": lambda text: None,
    _TAG + "bool": lambda text: {"true": True, "false": False}[text.lower()],
    _TAG + "int": int,
    _TAG + "float": lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
    _TAG + "str": _text,
}


def _check_limits(origin: str, depth: int, nodes: int) -> None:
    if depth > MAX_DEPTH:
        raise InputError(Problem(origin, f"must not nest deeper than {MAX_DEPTH} levels"))
    if nodes > MAX_NODES:
        raise InputError(Problem(origin, f"must not hold more than {MAX_NODES} values, aliases expanded"))


class _Builder:
    """Turns nodes into plain data; collects the line of every part and the problems met."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.lines: dict[Location, int] = {}
        self.problems: list[Problem] = []
        self.nodes = 0

    def build(self, node: yaml.Node, location: Location) -> Any:
        """The plain value of a node and, first, its line."""
        self.nodes += 1
        _check_limits(self.origin, len(location), self.nodes)
        self.lines.setdefault(location, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.build(item, (*location, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            try:
                return _SCALARS[node.tag](node.value)
            except (ValueError, KeyError):  # `!!int x`, or thousands of digits
                self._add(location, "must be a plain YAML value", node.value)
                return None
        self._add(location, "tags are not supported", node.tag)
        return None

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self._key(key_node)
            if key is None:
                shown = key_node.value if isinstance(key_node, yaml.ScalarNode) else "a list or mapping"
                self._add(location, "keys must be text", shown, line)
                continue
            place = (*location, key)
            if key in built:
                self._add(place, f"key is given twice, first on line {self.lines[place]}", None, line)
                continue
            self.lines[place] = line
            built[key] = self.build(value_node, place)
        return built

    def _key(self, node: yaml.Node) -> str | None:
        if not isinstance(node, yaml.ScalarNode) or node.tag != _TAG + "str":
            return None
        try:
            return _text(node.value)
        except ValueError:
            return None

    def _add(self, location: Location, rule: str, value: object, line: int | None = None) -> None:
        lines = self.lines if line is None else {location: line}
        self.problems.append(Source(self.origin, None, lines).problem(location, rule, value))
