"""Where the time of an exact front goes: one grid of a space, in this process, under the profiler.

python -m benchmarks.front_profile benchmarks/spaces/hundreds_of_millions.yaml [--pe-type int8] [--page]

With --page the table replaces the one in docs/performance.md.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
from pathlib import Path
from typing import Any

from benchmarks.exhaustive import PAGE
from dse.config import load_study
from dse.pruned.search import grid_points

BEGIN, END = "<!-- profile: python -m benchmarks.front_profile -->", "<!-- end of profile -->"
# (file, function) -> what it is; of nested ones the inner is part of the outer
PARTS = {
    ("search.py", "grid_points"): "all of it",
    ("program.py", "run"): "machine code: the search of some boxes or designs and one layer",
    ("search.py", "guess"): "first front, by local search",
    ("search.py", "spreads"): "effect of each axis",
    ("bounds.py", "raised"): "bounds of boxes",
    ("bounds.py", "_least_costs"): "of these, least cycles and energy of layers",
    ("bounds.py", "_lowest"): "of these, least prices and area of boxes",
    ("search.py", "may_matter"): "of these, bounds against the front",
    ("search.py", "_rows"): "the front's designs in full",
}


def profiled(path: Path, pe_type: str) -> str:
    """The table of the second of two runs: the first one compiles."""
    study = load_study(path)
    grid = next(grid for grid in study.space.grids if grid.pe_type == pe_type)
    grid_points(study, grid, None)
    profiler = cProfile.Profile()
    profiler.enable()
    points = grid_points(study, grid, None)
    profiler.disable()
    stats: dict[Any, Any] = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    found = {(Path(file).name, name): (calls, spent) for (file, _, name), (_, calls, _, spent, _) in stats.items()}
    size = f"{path.name}, {pe_type}: {grid.size:,} designs, {points.num_rows} rows kept."
    lines = [f"{size} Seconds in one process, those of the profiler included.", ""]
    lines += ["| part | seconds | calls |", "| --- | --: | --: |"]
    for key, text in PARTS.items():
        calls, spent = found[key]
        lines.append(f"| {text} | {spent:.2f} | {calls:,} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, or put it into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--pe-type", default="int8")
    parser.add_argument("--page", action="store_true")
    options = parser.parse_args()
    table = profiled(options.config, options.pe_type)
    print(table)
    if options.page:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
