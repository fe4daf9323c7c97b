"""Imports point one way: cli -> dse.{sweep, report} -> dse.evaluate -> {dse.dataflow, pe_library, workloads}."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COMMANDS = ("cli", "dse.terminal.evidence")  # they import what they need when they run
PACKAGES = ("dse", "pe_library", "workloads", "characterization")
# Package -> what its modules may import of ours. Longest matching name counts.
ALLOWED = {
    "dse.errors": (),
    "dse.terminal.command_line": ("dse.errors",),
    "dse.metrics": (),
    "dse.space": (),
    "dse.traffic": (),
    "dse.pareto": (),
    "dse.dataflow": ("dse.dataflow", "dse.errors", "dse.space", "dse.traffic", "workloads"),
    "dse.mapping.cells": ("dse.space",),
    "dse.mapping.compiled.graph": (),
    "dse.mapping.compiled.loops": ("dse.mapping.compiled",),
    "dse.mapping.compiled.machine": (),
    "dse.prices": ("dse.sparsity", "dse.traffic"),
    "dse": ("dse", "pe_library", "workloads"),
    "pe_library": ("pe_library", "dse.errors"),
    "workloads": ("workloads", "dse.errors"),
    "characterization.accuracy": ("characterization", "pe_library", "workloads", "dse.errors", "dse.report.tables"),
    "characterization": ("characterization", "pe_library", "dse.errors", "dse.report.tables"),
    "cli": ("dse",),
}
# What one evaluation may stand on: nothing that reads configs, writes runs or draws.
BELOW_EVALUATE = {
    "dse", "dse.costs", "dse.dataflow", "dse.errors", "dse.mapping", "dse.mapping.bench", "dse.mapping.cells",
    "dse.mapping.choices", "dse.mapping.search", "dse.metrics", "dse.prices", "dse.space", "dse.sparsity",
    "dse.technology", "dse.traffic",
}  # fmt: skip


@cache
def sources() -> dict[str, Path]:
    """Our modules by name."""
    paths = [ROOT / "cli.py", *(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))]
    return {name_of(path): path for path in paths}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST, *, lazy: bool) -> Iterator[str]:
    """Our modules that a module imports; with `lazy` those inside functions and for type checking, too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.Lambda) and not lazy:
            continue
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING" and not lazy:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in sources())
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in sources() else str(node.module) for name in full)
        yield from imports(node, lazy=lazy)


@cache
def graph(*, lazy: bool) -> dict[str, set[str]]:
    """Module -> our modules it imports."""
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in sources().items()}
    return {name: {found for found in imports(tree, lazy=lazy) if found in sources()} for name, tree in trees.items()}


def reachable(start: str) -> set[str]:
    """Modules loaded by importing `start`, its packages included."""
    found, left = set(), [start]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            parents = {name.rpartition(".")[0]} - {""}
            left += [*graph(lazy=False)[name], *parents]
    return found


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("module", sources())
def test_imports_stay_within_what_the_layer_may_use(module: str) -> None:
    layer = max((package for package in ALLOWED if within(module, package)), key=len)
    for imported in graph(lazy=True)[module]:
        lazily = imported not in graph(lazy=False)[module]
        if module in COMMANDS and lazily:
            continue
        assert any(within(imported, allowed) for allowed in ALLOWED[layer]), f"{module} imports {imported}"


def test_nothing_but_the_commands_know_the_characterization() -> None:
    for module, imported in graph(lazy=True).items():
        if module not in COMMANDS and not within(module, "characterization"):
            assert not [name for name in imported if within(name, "characterization")], module


def test_modules_import_each_other_without_cycles() -> None:
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        if name not in done:
            for imported in graph(lazy=False)[name]:
                visit(imported, (*path, name))
            done.add(name)

    for module in graph(lazy=False):
        visit(module, ())


def test_an_evaluation_needs_no_config_run_or_figure() -> None:
    ours = {name for name in reachable("dse.evaluate") if within(name, "dse")} - {"dse.evaluate"}
    assert ours <= BELOW_EVALUATE


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], {"numpy", "yaml", "pydantic", "rich", "pyarrow", "matplotlib", "scipy", "dse.space"}),
        (["schema"], {"matplotlib", "pyarrow", "scipy", "sklearn", "characterization"}),
        (["list", "metrics"], {"matplotlib", "pyarrow", "scipy", "sklearn", "characterization"}),
        (["sweep", "none.yaml"], {"matplotlib", "sklearn", "characterization"}),
    ],
)
def test_a_command_loads_only_what_it_needs(arguments: list[str], unwanted: set[str]) -> None:
    script = (
        "import sys, cli\n"
        f"try: cli.cli({arguments!r})\n"
        "except SystemExit: pass\n"
        f"print('LOADED', sorted({unwanted!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("LOADED []\n")
