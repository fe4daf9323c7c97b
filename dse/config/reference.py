"""The config schema as JSON Schema and as the Markdown table of docs/config.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from dse.config.schema import ConfigModel

Node = Mapping[str, Any]


def json_schema() -> str:
    """JSON Schema (draft 2020-12) of a config file."""
    schema = ConfigModel.model_json_schema(by_alias=True)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2)


def key_table() -> str:
    """One row per key: its path, what it may be, its default and its meaning."""
    schema = ConfigModel.model_json_schema(by_alias=True)
    lines = ["| Key | Value | Default | Meaning |", "| --- | --- | --- | --- |"]
    lines += ["| " + " | ".join(cells) + " |" for cells in _rows(schema, schema["$defs"], "")]
    return "\n".join(lines)


def _rows(node: Node, definitions: Node, prefix: str) -> Iterator[tuple[str, ...]]:
    for key, given in node["properties"].items():
        value = _resolve(given, definitions)
        path, meaning = f"{prefix}{key}", given.get("description", "")
        nested = value.get("additionalProperties")
        if "properties" in value:
            yield f"`{path}`", "mapping", _default(key, given, node), meaning
            yield from _rows(value, definitions, f"{path}.")
        elif isinstance(nested, dict) and "type" in nested:
            yield f"`{path}`", f"mapping to {_kind(nested, definitions)}", _default(key, given, node), meaning
        elif isinstance(nested, dict):
            yield f"`{path}`", "mapping", _default(key, given, node), meaning
            yield from _rows(_resolve(nested, definitions), definitions, f"{path}.METRIC.")
        else:
            yield f"`{path}`", _kind(value, definitions), _default(key, given, node), meaning


def _resolve(node: Node, definitions: Node) -> Node:
    """The definition that a node refers to, also where it may be null instead; else the node."""
    first, *others = node.get("anyOf", ({},))
    if others == [{"type": "null"}]:
        return _resolve(first, definitions)
    reference = node.get("$ref")
    return definitions[reference.rsplit("/", 1)[-1]] if reference else node


def _default(key: str, node: Node, parent: Node) -> str:
    if key in parent.get("required", ()):
        return "required"
    value = node.get("default")
    return "" if value is None or isinstance(value, dict) else f"`{json.dumps(value)}`".replace('"', "")


def _kind(node: Node, definitions: Node) -> str:
    """What a value may be, in words."""
    node = _resolve(node, definitions)
    if "oneOf" in node or "anyOf" in node:
        parts = [_kind(part, definitions) for part in node.get("oneOf", node.get("anyOf", ()))]
        forms = [word for word, kind in (("a list of these", "list of "), ("a range", "range")) if _any(parts, kind)]
        plain = [part for part in parts if part and not part.startswith(("list of ", "range"))]
        return ", or ".join([" or ".join(plain), *forms])
    if "enum" in node:
        return " \\| ".join(f"`{value}`" for value in node["enum"])
    if "const" in node:
        return f"`{node['const']}`"
    match node.get("type"):
        case "array":
            return f"list of {_kind(node['items'], definitions)}"
        case "boolean":
            return "`true` \\| `false`"
        case "integer":
            return f"whole number {_bounds(node)}".strip()
        case "number":
            return f"number {_bounds(node)}".strip()
        case "object":
            return "range" if "start" in node["properties"] else f"`{{{', '.join(node['properties'])}: N}}`"
        case "string":
            return "text"
        case _:
            return ""


def _any(kinds: list[str], start: str) -> bool:
    return any(kind.startswith(start) for kind in kinds)


def _bounds(node: Node) -> str:
    if "minimum" in node and "maximum" in node:
        return f"from {node['minimum']:,.10g} to {node['maximum']:,.10g}"
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most"}
    return ", ".join(f"{word} {node[key]:,.10g}" for key, word in words.items() if key in node)
