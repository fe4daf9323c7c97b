"""docs/peers.md from the results file: every number in it is one of the file's."""

from __future__ import annotations

import csv
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.peers._network import CONFIGS
from benchmarks.peers._peer import OURS
from dse.report.tables import Table, short, to_markdown

Row = Mapping[str, Any]
WIDTH = 120


def published() -> list[dict[str, str]]:
    """Figures of tools that the package index does not have, each with its kind and source."""
    with (CONFIGS / "published.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def page(found: Mapping[str, Any]) -> str:
    """The whole page as Markdown."""
    tables = (
        ("Time", times(found), _timing_notes(found)),
        ("Results", results(found), _RESULTS_NOTES),
        ("What each tool does", tools(found), ""),
    )
    parts = ["# Other tools of the field, side by side", _paragraph(_head(found)), *_missing(found)]
    for title, table, note in tables:
        parts += [f"## {title}", to_markdown(table).strip(), *map(_paragraph, note.strip().split("\n\n"))]
    parts += ["## Not in this run", _paragraph(_OUTSIDE), to_markdown(outside(found)).strip()]
    return "\n\n".join(part for part in parts if part) + "\n"


def times(found: Mapping[str, Any]) -> Table:
    """Seconds per design of each variant."""
    base = cpu_of(found["rows"], OURS, "one_design")
    rows = [
        {
            "tool": row["title"],
            "what": row["does"],
            "CPU s per design": _spread(row.get("cpu_s_per_design")),
            "times ours, one design": _ratio(row, base),
            "wall s of the process": _spread(row.get("process_wall_s")),
            "import CPU s": _median(row.get("import_cpu_s")),
            "peak MB": row.get("peak_mb"),
            "runs": row.get("repetitions", 0),
            "layer shapes": f"{row['shapes_done']} of {row['shapes']}" if "shapes" in row else "",
            "outcome": " ".join(filter(None, (row["status"], f"({row['reason']})" if row["reason"] else ""))),
        }
        for row in found["rows"]
    ]
    return Table.of("times", "", rows)


def results(found: Mapping[str, Any]) -> Table:
    """Cycles and energies of the variants that finished the network, beside ours."""
    ours: Row = next((row for row in found["rows"] if row["peer"] == OURS and row.get("cycles")), {})
    rows = []
    for row in found["rows"]:
        if row["status"] != "ok" or not row.get("cycles"):
            continue
        rows.append({
            "tool": f"{row['title']}, {row['variant']}",
            "1e6 cycles": row["cycles"] / 1e6,
            "cycles over ours": row["cycles"] / ours["cycles"] if ours else None,
            "1e9 MAC energies": row["energy_macs"] / 1e9 if row["energy_macs"] else None,
            "energy over ours": row["energy_macs"] / ours["energy_macs"] if ours and row["energy_macs"] else None,
            "energy, mJ": row["energy_mj"],
            "area, mm2": row["area_mm2"],
        })  # fmt: skip
    floor = found["network"]["least"]
    rows.append({
        "tool": "no accelerator below",
        "1e6 cycles": floor["cycles"] / 1e6,
        "cycles over ours": floor["cycles"] / ours["cycles"] if ours else None,
        "1e9 MAC energies": floor["energy_macs"] / 1e9,
        "energy over ours": floor["energy_macs"] / ours["energy_macs"] if ours else None,
        "energy, mJ": None,
        "area, mm2": None,
    })  # fmt: skip
    return Table.of("results", "", rows)


def tools(found: Mapping[str, Any]) -> Table:
    """What each tool computes and how it was configured."""
    rows = []
    for name, about in found["peers"].items():
        ran: Row = next((row for row in found["rows"] if row["peer"] == name and row.get("version") is not None), {})
        installed = ", ".join(found["requirements"][name]) or "this repository"
        python = f"; Python {ran['python']}" if ran.get("python") else ""
        rows.append({"tool": about["title"], "installed": installed + python, "computes": about["computes"],
                     "mapping search": about["searches"], "hardware": about["configured"],
                     "remark": about["remark"]})  # fmt: skip
    return Table.of("tools", "", rows)


def outside(found: Mapping[str, Any]) -> Table:
    """Figures from elsewhere."""
    return Table.of("outside", "", found["published"])


def cpu_of(rows: Sequence[Row], peer: str, variant: str) -> float | None:
    """Median CPU seconds per design of a variant that finished, None where it did not."""
    for row in rows:
        if (row["peer"], row["variant"], row["status"]) == (peer, variant, "ok"):
            return float(row["cpu_s_per_design"]["median"])
    return None


def fastest(rows: Sequence[Row]) -> Row | None:
    """The variant of another tool that took the least CPU time for the whole network."""
    done = [row for row in rows if row["peer"] != OURS and row["status"] == "ok"]
    return min(done, key=lambda row: float(row["cpu_s_per_design"]["median"]), default=None)


def _head(found: Mapping[str, Any]) -> str:
    on, network = found["machine"], found["network"]
    rows = found["rows"]
    best = fastest(rows)
    one, many, bounds = (cpu_of(rows, OURS, variant) for variant in ("one_design", "sweep", "bounds"))
    load = "" if on["load_at_start"] is None else f", load {on['load_at_start']:.1f} at the start"
    text = (
        f"Generated by `python -m benchmarks.peers` from measurements of {found['date']}: {network['name']}, "
        f"{network['macs'] / 1e9:.3g}e9 MACs, {network['layers']} layers of {network['shapes']} shapes, batch 1, on "
        f"{on['cpu']}, {on['cores']} cores{load}, {on['system']}, Python {on['python']}."
    )
    if best is None:
        return text
    theirs = float(best["cpu_s_per_design"]["median"])
    text += f" The fastest other tool is {best['title']} ({best['does']}) with {short(theirs)} CPU-seconds per design."
    ours = ((one, "for one design alone"), (many, "for a design within a sweep that maps each"),
            (bounds, "for a design within a sweep whose bounds leave designs out"))  # fmt: skip
    for seconds, what in ours:
        if seconds is not None:
            text += f" `dse` takes {short(seconds)} {what}: {_faster(seconds, theirs)}."
    return text


def _faster(ours: float, theirs: float) -> str:
    """A ratio in words, whichever way it goes."""
    if ours <= theirs:
        return f"{short(theirs / ours)} times less"
    return f"{short(ours / theirs)} times more"


def _missing(found: Mapping[str, Any]) -> list[str]:
    """A sentence on what did not finish."""
    rows = [row for row in found["rows"] if row["status"] != "ok"]
    if not rows:
        return []
    told = "; ".join(f"{row['title']}, {row['variant']}: {row['status']}, {row['reason']}" for row in rows)
    return [_paragraph(f"Not finished: {told}.")]


def _timing_notes(found: Mapping[str, Any]) -> str:
    return f"""
CPU-seconds are those of the evaluation proper, of all threads and finished children, after the tool's modules are
loaded; a first evaluation in a fresh process each time. Median (least to most) of the runs; a variant gets at most
{found["repeat"]} runs and {found["limit_s"]:.0f} s for all of them. Where the limit stopped it, the seconds are those
of the layer shapes that it finished, smallest first: a lower bound for the network. All tools ran one after the other,
at low priority. Wall seconds are those of the whole process, from its start to its end, all designs and imports
included.

Every tool gets each layer shape once, and counts are multiplied afterwards; the groups of a layer count as layers.
nn_dataflow and `dse` would merge equal layers themselves; ZigZag and SCALE-Sim would take longer on the whole network.

Not the same work. ZigZag and AccelForge search loop orders and spatial mappings that `dse` does not consider,
nn_dataflow searches loop blocking, SCALE-Sim simulates every cycle of one fixed mapping. `dse` knows the row-stationary
family only, and adds what they do not have: area, clock, leakage and energies from synthesis. A sweep shares work
between designs, which is how it is used; none of the tools timed here has such a command.
"""


_RESULTS_NOTES = """
Cycles are with the stalls that each tool models, at 16-bit words, a GLB of 8 bytes per cycle and DRAM of 20 bytes per
cycle (4 GB/s at 200 MHz) where a tool has these. Energies in MACs price words at the normalized costs of the Eyeriss
papers (ISCA 2016: MAC 1, spad 1, between PEs 2, GLB 6, DRAM 200), without clock and leakage. The last row is a MAC in
every PE in every cycle, and MACs and each word once through DRAM. nn_dataflow counts idle PEs, but no start-up of
passes, which `dse` counts as overhead. Tools differ since they map differently, and count
spad accesses and the way between PEs differently: this is no measure of accuracy, for which see
[validation](validation.md). Millijoule and area are from the PE library of this repository.
"""

_OUTSIDE = """
Tools that the package index alone does not give. `published`: the figure of the tool's own authors, on their machine.
`measured apart`: for this project, but not side by side with the tables above; an order of magnitude.
"""


def _paragraph(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False)


def _ratio(row: Row, base: float | None) -> float | None:
    if row["status"] != "ok" or base is None:
        return None
    return float(row["cpu_s_per_design"]["median"]) / base


def _median(values: Row | None) -> float | None:
    return None if values is None else float(values["median"])


def _spread(values: Row | None) -> str:
    if values is None:
        return ""
    middle, low, high = (short(float(values[key])) for key in ("median", "min", "max"))
    return middle if low == high else f"{middle} ({low} to {high})"
