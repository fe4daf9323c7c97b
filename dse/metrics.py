"""The metrics table: one row per metric drives the CSV headers, the command-line choices, the axis labels and the docs.

Add a metric by adding a row. Every formula is element-wise over `Totals`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Number = Any  # float or an array of any broadcastable shape

AREA_PARTS = ("pe", "glb", "noc")
ENERGY_PARTS = ("mac", "spad", "noc", "glb", "dram", "clock", "leakage")
CYCLE_PARTS = ("compute", "glb_stall", "dram_stall", "overhead")


@dataclass(frozen=True)
class Totals:
    """What one workload costs on a set of designs; all fields broadcast. Counts and energies are of one batch."""

    macs: Number  # multiply-accumulates of the batch
    pes: Number  # PEs of the array
    batch: Number
    clock_mhz: Number
    cycles: dict[str, Number]  # by CYCLE_PARTS
    area_mm2: dict[str, Number]  # by AREA_PARTS
    energy_pj: dict[str, Number]  # by ENERGY_PARTS
    dram_bits: Number
    glb_bits: Number
    accuracy_percent: Number = np.nan  # of the network at the precision of the PE type; NaN: not known
    accuracy_drop_percent: Number = np.nan

    @classmethod
    def without_parts(
        cls, macs: Number, pes: Number, batch: Number, clock_mhz: Number, cycles: Number, area_mm2: Number,
        energy_pj: Number,
    ) -> Totals:  # fmt: skip
        """Where only sums are known: all of each is in its first part, and no bits are counted."""
        first = {parts: dict.fromkeys(parts, 0.0) for parts in (CYCLE_PARTS, AREA_PARTS, ENERGY_PARTS)}
        return cls(
            macs, pes, batch, clock_mhz, first[CYCLE_PARTS] | {CYCLE_PARTS[0]: cycles},
            first[AREA_PARTS] | {AREA_PARTS[0]: area_mm2}, first[ENERGY_PARTS] | {ENERGY_PARTS[0]: energy_pj}, 0.0, 0.0,
        )  # fmt: skip

    def with_accuracy(self, percent: Number, drop_percent: Number) -> Totals:
        """The same with the accuracy of the network, and how far it is below FP32's; NaN where not known."""
        return replace(self, accuracy_percent=percent, accuracy_drop_percent=drop_percent)

    def repeated(self, count: int) -> Totals:
        """`count` times the same work on the same hardware."""
        return replace(
            self,
            macs=self.macs * count,
            cycles={part: value * count for part, value in self.cycles.items()},
            energy_pj={part: value * count for part, value in self.energy_pj.items()},
            dram_bits=self.dram_bits * count,
            glb_bits=self.glb_bits * count,
        )

    def plus(self, other: Totals) -> Totals:
        """This work after other work on the same hardware."""
        return replace(
            self,
            macs=self.macs + other.macs,
            cycles={part: value + other.cycles[part] for part, value in self.cycles.items()},
            energy_pj={part: value + other.energy_pj[part] for part, value in self.energy_pj.items()},
            dram_bits=self.dram_bits + other.dram_bits,
            glb_bits=self.glb_bits + other.glb_bits,
        )

    @property
    def total_cycles(self) -> Number:
        """Cycles of all causes."""
        return sum(self.cycles[part] for part in CYCLE_PARTS)

    @property
    def total_area_mm2(self) -> Number:
        """Area of all parts, mm2."""
        return sum(self.area_mm2[part] for part in AREA_PARTS)

    @property
    def latency_ms(self) -> Number:
        """Time of one batch, ms."""
        return self.total_cycles / (self.clock_mhz * 1e3)

    @property
    def energy_mj(self) -> Number:
        """Energy of one inference with DRAM, mJ."""
        return sum(self.part_mj(part) for part in ENERGY_PARTS)

    @property
    def energy_no_dram_mj(self) -> Number:
        """Energy of one inference on the chip alone, mJ."""
        return sum(self.part_mj(part) for part in ENERGY_PARTS if part != "dram")

    def part_mj(self, part: str) -> Number:
        """Energy of one inference spent in one part, mJ."""
        return self.energy_pj[part] * 1e-9 / self.batch


@dataclass(frozen=True)
class Metric:
    """One metric: command-line name, column (unit included), unit, axis label, direction and formula."""

    name: str
    column: str
    unit: str
    label: str
    maximize: bool
    formula: str
    bounded: bool  # it gets no worse when cycles, energy and area fall or the clock rises
    compute: Callable[[Totals], Number]
    of_network: bool = False  # it depends on the network and its precision alone, not on the accelerator
    signed: bool = False  # it may be zero or negative


_ROWS = (
    Metric("latency", "latency_ms", "ms", "Latency of a batch", False,
           "cycles / clock", True, lambda t: t.latency_ms),
    Metric("energy", "energy_mj", "mJ", "Energy per inference", False,
           "sum of all energy parts / batch", True, lambda t: t.energy_mj),
    Metric("energy_no_dram", "energy_no_dram_mj", "mJ", "On-chip energy per inference", False,
           "sum of the on-chip energy parts / batch", False, lambda t: t.energy_no_dram_mj),
    Metric("power", "power_mw", "mW", "On-chip power", False,
           "on-chip energy of a batch / latency", False, lambda t: t.energy_no_dram_mj * t.batch / t.latency_ms * 1e3),
    Metric("area", "area_mm2", "mm2", "Area", False,
           "PEs + GLB + NoC", True, lambda t: t.total_area_mm2),
    Metric("perf_per_area", "perf_per_area_inf_s_mm2", "inf/s/mm2", "Performance per area", True,
           "batch / latency / area", True, lambda t: t.batch * 1e3 / t.latency_ms / t.total_area_mm2),
    Metric("gops_per_area", "gops_per_mm2", "GOPS/mm2", "Throughput per area", True,
           "2 MACs / latency / area", True, lambda t: 2e-6 * t.macs / t.latency_ms / t.total_area_mm2),
    Metric("tops_per_w", "tops_per_w", "TOPS/W", "On-chip energy efficiency", True,
           "2 MACs / on-chip energy", False, lambda t: 2e-9 * t.macs / (t.energy_no_dram_mj * t.batch)),
    Metric("edp", "edp_mj_ms", "mJ ms", "Energy-delay product", False,
           "energy per inference x latency / batch", True, lambda t: t.energy_mj * t.latency_ms / t.batch),
    Metric("utilization", "utilization", "", "PE utilization", True,
           "MACs / (cycles x PEs)", True, lambda t: t.macs / t.total_cycles / t.pes),
    Metric("accuracy", "accuracy_percent", "%", "Top-1 accuracy", True,
           "right images / images; accuracy_evidence says which", True, lambda t: t.accuracy_percent, True),
    Metric("accuracy_drop", "accuracy_drop_percent", "points", "Accuracy below FP32", False,
           "accuracy of the network with FP32 operands - accuracy", True, lambda t: t.accuracy_drop_percent, True,
           signed=True),
)  # fmt: skip
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ROWS}


def of_networks(metrics: Iterable[str]) -> bool:
    """Whether any of these metrics tells networks apart, so that networks compete with each other in them."""
    return any(METRICS[name].of_network for name in metrics)
