"""Write the generated parts of README.md and docs/results.md from a finished run: tables, figures, sentences with numbers.

    python docs/build.py results/quidam

README.md keeps its text; what stands between `<!-- begin NAME -->` and `<!-- end NAME -->` is replaced.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dse.report import QUANTITIES, gains_markdown, heldout_rows, report
from dse.report.causes import DESIGN_PARTS, design_causes
from dse.report.gains import GAIN_METRICS, MEAN, gains, geometric_mean, spreads
from dse.report.run import Run, open_run
from dse.report.tables import Table, to_markdown
from dse.report.usable import Points, load_points, pe_label

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "docs" / "figures"
LIMITS = {"area_um2": ("area", 2), "leakage_uw": ("leakage", 3), "run_pj": ("energy per MAC cycle", 5),
          "min_period_ns": ("minimum period", 6)}  # fmt: skip
Row = dict[str, Any]


def main(run_path: Path) -> None:
    """Report on the run, copy the figures, fill the blocks."""
    run = open_run(run_path)
    points = load_points(run, GAIN_METRICS)
    written = report(run)
    FIGURES.mkdir(exist_ok=True)
    for path in written:
        if path.suffix == ".png":
            shutil.copy(path, FIGURES / path.name)
    int16, int8 = _split_gains(points)
    blocks = {"gains": int16, "answer": answer(run, points), "heldout": heldout()}
    readme = ROOT / "README.md"
    readme.write_text(filled(readme.read_text(), blocks))
    page = ROOT / "docs" / "results.md"
    page.write_text(filled(page.read_text(), {**blocks, "gains-int8": int8}))


def filled(text: str, blocks: Mapping[str, str]) -> str:
    """The text with each block that it marks replaced; raises KeyError for a mark without a block."""
    def block(match: re.Match[str]) -> str:
        return f"<!-- begin {match[1]} -->\n\n{blocks[match[1]].strip()}\n\n<!-- end {match[1]} -->"

    return re.sub(r"<!-- begin ([\w-]+) -->.*?<!-- end \1 -->", block, text, flags=re.DOTALL)


def _split_gains(points: Points) -> tuple[str, str]:
    text = gains_markdown(points)
    middle = text.index("**", text.index("best INT8 design") - 200)
    return text[:middle], text[middle:]


def heldout() -> str:
    """Errors of the models at points they were not fitted to: mean (largest), percent."""
    rows = []
    for row in heldout_rows():
        line: Row = {"PE type": pe_label(row["pe_type"]), "points": row["points"]}
        for quantity in QUANTITIES:
            name, limit = LIMITS[quantity]
            line[f"{name} (limit {limit})"] = f"{row[f'{quantity}_mape']:.2f} ({row[f'{quantity}_max']:.2f})"
        rows.append(line)
    return to_markdown(Table.of("heldout", "", rows))


def answer(run: Run, points: Points) -> str:
    """What the run says about the claims of QAPPA, QADAM and QUIDAM, in words with the run's own numbers."""
    rows, wide = gains(points), spreads(points)
    iso = next(row["clock_setting"] for row in rows if row["clock_setting"] != "max")
    overall = [row for row in wide if row["clock_setting"] == "all"]
    own = [row for row in wide if row["clock_setting"] == "max"]
    return "\n\n".join([
        f"At its own maximum clock the best LightPE-1 design reaches {_range(rows, 'lightpe1', 'max')} the performance "
        f"per area of the best INT16 design (LightPE-2 {_range(rows, 'lightpe2', 'max')}), and at {iso} MHz "
        f"{_range(rows, 'lightpe1', iso)} ({_range(rows, 'lightpe2', iso)}); the lowest energy per inference is "
        f"{_range(rows, 'lightpe1', 'max', 'energy')} lower with DRAM and "
        f"{_range(rows, 'lightpe1', 'max', 'energy_no_dram')} without. QAPPA's abstract says up to 4.9x for performance "
        f"per area and energy, QADAM's and QUIDAM's up to 5.7x. The plain baselines explain most of it: INT8 alone "
        f"reaches {_range(rows, 'int8', 'max')} and W4A8 {_range(rows, 'w4a8', 'max')}.",
        f"Where it comes from, LightPE-1 over INT16 at own fmax, geometric mean over networks: {_causes(run, points)}.",
        f"Over all designs of a network, performance per area spans {_span(overall, 'perf_per_area_all')} and energy "
        f"{_span(overall, 'energy_all')} from worst to best; among INT16 designs at own fmax "
        f"{_span(own, 'perf_per_area_int16')} and {_span(own, 'energy_int16')} (the abstracts: more than 5x and 35x).",
    ])  # fmt: skip


def _range(rows: Sequence[Row], pe_type: str, clock: str, metric: str = "perf_per_area") -> str:
    """`1.9x to 2.3x` over the networks."""
    return _span([row for row in rows if (row["pe_type"], row["clock_setting"], row["metric"]) == (pe_type, clock, metric)
                  and row["workload"] != MEAN], "gain_vs_int16")  # fmt: skip


def _span(rows: Iterable[Row], column: str) -> str:
    values = [row[column] for row in rows]
    return f"{min(values):.3g}x to {max(values):.3g}x"


def _causes(run: Run, points: Points) -> str:
    rows = [r for r in design_causes(run, points) if (r["pe_type"], r["clock_setting"]) == ("lightpe1", "max")]
    factors = (*DESIGN_PARTS, "clock", "cycles", "resizing")
    return ", ".join(f"{name} {geometric_mean([row[name] for row in rows]):.2f}x" for name in factors)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
