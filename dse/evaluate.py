"""Designs x workload -> totals and metrics: map each unique layer, count, price, accumulate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dse.costs import REASONS as HARDWARE_REASONS
from dse.costs import Costs
from dse.dataflow import Dataflow
from dse.mapping import best_mapping
from dse.mapping.bench import Bench, layer_traffic
from dse.metrics import Totals
from dse.space import Designs
from dse.technology import Technology
from dse.traffic import Mapping, Pins, Traffic
from pe_library.model import load_pe_type
from workloads.layer import Layer, Workload
from workloads.shared import shared_layers

OVERFLOW_REASON = "reduction longer than the psum width allows"


@dataclass(frozen=True)
class LayerResult:
    """One layer (one instance, whole batch) on a set of designs."""

    layer: Layer
    mapping: Mapping
    traffic: Traffic
    totals: Totals


@dataclass(frozen=True)
class Evaluation:
    """A workload on a set of designs; `reason` indexes `reasons`, 0 where the design runs every layer."""

    totals: Totals
    reason: Any
    reasons: tuple[str, ...]

    def with_accuracy(self, workload: Workload, pe_type: str) -> Evaluation:
        """The same with the accuracy of the workload at the precision of a PE type."""
        return replace(self, totals=self.totals.with_accuracy(*workload.accuracy_and_drop(pe_type)))


def evaluate_layer(bench: Bench, layer: Layer, objective: str, pins: Pins) -> LayerResult:
    """One layer, mapped for the objective (or as pinned) on each design; shapes broadcast to those of the designs."""
    mapping = best_mapping(bench, layer, objective, pins)
    traffic = layer_traffic(bench.flow, layer, bench.designs, bench.costs.prices.bits, mapping)
    return LayerResult(layer, mapping, traffic, layer_totals(traffic, bench.designs, bench.costs))


def layer_totals(traffic: Traffic, designs: Designs, hardware: Costs) -> Totals:
    """Price the traffic of one layer."""
    prices = hardware.prices
    cycles = prices.cycles(traffic)
    return Totals(
        macs=traffic.macs,
        pes=hardware.pes,
        batch=designs.batch,
        clock_mhz=hardware.clock_mhz,
        cycles=cycles,
        area_mm2=hardware.area_mm2,
        energy_pj=prices.energy_pj(traffic, sum(cycles.values())),
        dram_bits=prices.dram_bits(traffic),
        glb_bits=sum(prices.glb_bits(traffic)),
    )


def evaluate(
    designs: Designs,
    workloads: Sequence[Workload],
    technology: Technology,
    objective: str = "edp",
    pins: Pins | None = None,
) -> list[Evaluation]:
    """Whole workloads on each design; a layer shape that several of them share is mapped once."""
    bench = Bench.of(designs, technology)
    found: list[Evaluation | None] = [None] * len(workloads)
    for each in shared_layers(workloads):
        result = evaluate_layer(bench, each.layer, objective, pins or {})
        for index, count in each.counts:
            found[index] = extended(found[index], bench, result, count)
    return [
        evaluation.with_accuracy(workload, designs.pe_type)
        for workload, evaluation in zip(workloads, found, strict=True)
        if evaluation is not None  # every workload has at least one layer
    ]


def extended(before: Evaluation | None, bench: Bench, result: LayerResult, count: int) -> Evaluation:
    """The evaluation with `count` more instances of a layer; a design that cannot run it keeps its first reason."""
    reason = np.broadcast_to(layer_reason(bench, result), bench.designs.shape)
    totals = result.totals.repeated(count)
    if before is not None:
        reason = np.where(before.reason == 0, reason, before.reason)
        totals = totals.plus(before.totals)
    return Evaluation(totals, reason, reason_texts(bench.flow))


def reason_texts(flow: Dataflow) -> tuple[str, ...]:
    """Why a design may be infeasible, by the index that `layer_reason` gives."""
    return (*HARDWARE_REASONS, OVERFLOW_REASON, *flow.REASONS[1:])


def reduction_fits(pe_type: str, layer: Layer) -> bool:
    """Whether the psums of a PE type are wide enough for the sums of a layer."""
    limit = load_pe_type(pe_type).max_reduction_length
    return limit is None or layer.reduction_length <= limit


def layer_reason(bench: Bench, result: LayerResult) -> Any:
    """Index into `reason_texts`, 0 where the design runs the layer: the hardware, then the psum width, then the fit."""
    overflow = len(HARDWARE_REASONS)
    hardware, misfit = bench.costs.reason, result.traffic.reason
    reason = np.where(misfit > 0, overflow + misfit, 0)
    if not reduction_fits(bench.designs.pe_type, result.layer):
        reason = np.full_like(reason, overflow)
    return np.where(hardware > 0, hardware, reason)
