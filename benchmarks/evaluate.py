"""Speed of evaluation: designs per second of a whole network, as an open mesh and as columns, in one run.

python -m benchmarks.evaluate [--workload resnet50] [--repeat 5]
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Iterable

import numpy as np

from dse.evaluate import evaluate
from dse.space import Block, DesignSpace
from dse.technology import Technology
from workloads.layer import Workload
from workloads.loader import load_workload

SPACE = DesignSpace(
    pe_type=("int8",), dataflow=("row_stationary",), rows=(12, 16, 24, 32), cols=(14, 16, 24, 32),
    ifmap_spad_words=(12, 24), filter_spad_words=(64, 112, 224, 448), psum_spad_words=(16, 24), glb_kib=(64, 108, 256),
    glb_bytes_per_cycle=(8, 32), dram_gb_s=(2.0, 8.0, 32.0), clock_mhz=(math.inf, 200.0), batch=(1,),
    spad_dataflows=("row_stationary",),
)  # fmt: skip


def seconds(blocks: Iterable[Block], workload: Workload) -> float:
    """CPU time to evaluate all blocks."""
    start = time.process_time()
    for block in blocks:
        evaluate(block.designs, [workload], Technology())
    return time.process_time() - start


def main() -> None:
    """Print designs per second: median (min to max)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", default="resnet50")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    workload = load_workload(options.workload)
    ids = np.arange(0, SPACE.size, 8)
    runs = {"open mesh": lambda: SPACE.blocks(16_384), "columns": lambda: SPACE.select(ids, 16_384)}
    sizes = {"open mesh": SPACE.size, "columns": len(ids)}
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(options.repeat):
        for name, blocks in runs.items():
            rates[name].append(sizes[name] / seconds(blocks(), workload))
    for name, values in rates.items():
        print(f"{name:10s} {sizes[name]:7,d} designs x {workload.name}: {statistics.median(values):10,.0f} designs/s"
              f"  ({min(values):,.0f} to {max(values):,.0f})")  # fmt: skip


if __name__ == "__main__":
    main()
