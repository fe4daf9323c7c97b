"""Write the generated parts of README.md and docs/results.md from a finished run, and docs/validation.md.

    python docs/build.py results/quidam

README.md keeps its text; what stands between `<!-- begin NAME -->` and `<!-- end NAME -->` is replaced.
"""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dse.report.causes import DESIGN_PARTS, design_causes
from dse.report.full import gains_markdown, report
from dse.report.gains import GAIN_METRICS, MEAN, gains, geometric_mean, spreads
from dse.report.run import Run, open_run
from dse.report.tables import to_markdown
from dse.report.usable import Points, load_points
from dse.validation import compare
from dse.validation._page import markdown, summary
from dse.validation.pe_models import heldout_table
from pe_library.model import load_pe_type

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "docs" / "figures"
SHOWN = ("scatter", "gains_over_int16", "gains_over_int8", "breakdown", "causes", "heldout")
Row = dict[str, Any]


def main(run_path: Path) -> None:
    """Report on the run, copy the figures, fill the blocks."""
    run = open_run(run_path)
    points = load_points(run, GAIN_METRICS)
    written = report(run)
    copy_figures(written, {stem: stem for stem in SHOWN})
    comparisons = compare()
    (ROOT / "docs" / "validation.md").write_text(markdown(comparisons))
    blocks = {
        "gains": gains_markdown(points, baselines=["int16"]), "gains-int8": gains_markdown(points, baselines=["int8"]),
        "answer": answer(run, points), "heldout": to_markdown(heldout_table()), "validation": summary(comparisons),
    }  # fmt: skip
    for page in (ROOT / "README.md", ROOT / "docs" / "results.md"):
        text = filled(page.read_text(), blocks)
        page.write_text(text if page.name == "README.md" else text.replace("](docs/", "]("))


def copy_figures(written: Sequence[Path], names: Mapping[str, str]) -> None:
    """Copy those figures of a report that the pages show: stem there -> stem here."""
    FIGURES.mkdir(exist_ok=True)
    for path in written:
        if path.suffix == ".png" and path.stem in names:
            shutil.copy(path, FIGURES / f"{names[path.stem]}.png")


def filled(text: str, blocks: Mapping[str, str]) -> str:
    """The text with those of the blocks replaced that it marks."""

    def block(match: re.Match[str]) -> str:
        if match[1] not in blocks:  # another script's
            return match[0]
        return f"<!-- begin {match[1]} -->\n\n{_wrapped(blocks[match[1]].strip())}\n\n<!-- end {match[1]} -->"

    return re.sub(r"<!-- begin ([\w-]+) -->.*?<!-- end \1 -->", block, text, flags=re.DOTALL)


def _wrapped(text: str) -> str:
    """Markdown in lines of up to 120 characters, but for tables."""

    def wrap(line: str) -> str:
        indent = "  " if line.startswith("- ") else ""
        return textwrap.fill(line, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)

    return "\n".join(line if line.startswith("|") else wrap(line) for line in text.splitlines())


def answer(run: Run, points: Points) -> str:
    """What the run says about the claims of QAPPA, QADAM and QUIDAM, in words with the run's own numbers."""
    rows, wide = gains(points), spreads(points)
    iso = next(row["clock_setting"] for row in rows if row["clock_setting"] != "max")
    overall = [row for row in wide if row["clock_setting"] == "all"]
    own = [row for row in wide if row["clock_setting"] == "max"]

    def gain(pe_type: str, clock: str = "max", metric: str = "perf_per_area") -> str:
        wanted = [
            row for row in rows if (row["pe_type"], row["clock_setting"], row["metric"]) == (pe_type, clock, metric)
        ]
        return _span([row for row in wanted if row["workload"] != MEAN], "gain_vs_int16")

    paragraphs = (
        f"""At its own maximum clock the best LightPE-1 design reaches {gain("lightpe1")} the performance per area of
        the best INT16 design (LightPE-2 {gain("lightpe2")}), and at {iso} MHz {gain("lightpe1", iso)}
        ({gain("lightpe2", iso)}). Its lowest energy per inference is {gain("lightpe1", metric="energy")} lower with
        DRAM and {gain("lightpe1", metric="energy_no_dram")} without. QAPPA's abstract says up to 4.9x for performance
        per area and energy, QADAM's and QUIDAM's up to 5.7x. Plain multipliers explain most of it: INT8 reaches
        {gain("int8")}, W4A8 {gain("w4a8")} in performance per area, and W4A8 {gain("w4a8", metric="energy")} in
        energy, where it is ahead of LightPE-1: its psums are narrower ({_psum_bits("w4a8")} bits against
        {_psum_bits("lightpe1")}), since seven shift positions are fraction bits to keep.""",
        f"""Where LightPE-1's gain over INT16 at own fmax comes from, geometric mean over networks:
        {_causes(run, points)}. Storage is what narrower words save in the scratchpads, resizing what the best
        LightPE-1 design gains over the best INT16 design with its PE type exchanged ([equations](docs/figures.md)).""",
        f"""Over all designs of a network, from worst to best, performance per area spans
        {_span(overall, "perf_per_area_all")} and energy {_span(overall, "energy_all")}; among INT16 designs at own fmax
        {_span(own, "perf_per_area_int16")} and {_span(own, "energy_int16")}. The abstracts say more than 5x and 35x;
        the spread depends on how poor the poorest design of a space is, here starved of DRAM bandwidth.""",
    )
    return "\n\n".join(" ".join(text.split()) for text in paragraphs)


def _psum_bits(pe_type: str) -> int:
    return load_pe_type(pe_type).psum_bits


def _span(rows: Iterable[Row], column: str) -> str:
    low, *_, high = sorted(row[column] for row in rows)
    return f"{_times(low)} to {_times(high)}"


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}x" if ratio >= 100 else f"{ratio:.3g}x"


def _causes(run: Run, points: Points) -> str:
    rows = [r for r in design_causes(run, points) if (r["pe_type"], r["clock_setting"]) == ("lightpe1", "max")]
    factors = (*DESIGN_PARTS, "clock", "cycles", "resizing")
    return ", ".join(f"{name} {geometric_mean([row[name] for row in rows]):.2f}x" for name in factors)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
