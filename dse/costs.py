"""What the hardware costs: clock, area and the energy of each event, per design. Element-wise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dse.dataflow import load_dataflow
from dse.prices import Prices
from dse.space import NUMERIC_AXES, Designs
from dse.sparsity import Sparsity
from dse.technology import Technology
from dse.traffic import OperandBits, first_of
from pe_library.memory.dram import dram_pj_per_bit
from pe_library.memory.glb import load_glb_model
from pe_library.memory.noc import NocPrediction, noc, systolic_noc
from pe_library.model import INPUTS, PEPrediction, load_pe_model, load_pe_type
from pe_library.registers import STATIONARY, load_register_pe

Number = Any  # float or array of any broadcastable shape

REASONS = (
    "",
    "clock above the maximum of PE and GLB",
    "spad depth outside the characterized range of the PE type",
    "GLB outside the range of the memory model",
)


@dataclass(frozen=True)
class Costs:
    """Hardware figures of a set of designs of one PE type; `reason` indexes REASONS, 0 where the design is sound."""

    reason: Number
    clock_mhz: Number
    pes: Number
    area_mm2: dict[str, Number]  # by metrics.AREA_PARTS
    prices: Prices


def costs(designs: Designs, technology: Technology) -> Costs:
    """Hardware figures of the designs. The clock is the setting, or for `max` the slower of PE and GLB access."""
    pe_type = load_pe_type(designs.pe_type)
    bits = OperandBits(pe_type.activation_bits, pe_type.weight_bits, pe_type.psum_bits)
    pe = _predict_pe(designs)
    word_bits = designs.glb_bytes_per_cycle * 8
    glb = load_glb_model(technology.glb_cell).predict(designs.glb_kib, word_bits)
    network = _predict_noc(designs, pe, bits, technology)
    pes = designs.rows * designs.cols
    max_mhz = 1e3 / np.maximum(pe.min_period_ns, glb.min_period_ns)
    clock_mhz = np.where(np.isinf(designs.clock_mhz), max_mhz, designs.clock_mhz)
    leakage_mw = pes * pe.leakage_uw * 1e-3 + glb.leakage_mw + network.leakage_mw
    scale = technology.energy_scale
    clock_pj, leakage_pj = scale * pes * pe.clock_pj, scale * leakage_mw * 1e3 / clock_mhz
    return Costs(
        reason=first_of((~pe.in_range, 2), (~glb.in_range, 3), (clock_mhz > max_mhz, 1)),
        clock_mhz=clock_mhz,
        pes=pes,
        area_mm2={"pe": pes * pe.area_um2 * 1e-6, "glb": glb.area_mm2, "noc": network.area_mm2},
        prices=Prices(
            bits=bits,
            sparsity=_sparsity(designs, technology),
            dram_cycles_per_bit=clock_mhz / (designs.dram_gb_s * 8e3),
            dram_pj_per_bit=_dram_pj_per_bit(designs, technology),
            clock_pj_per_cycle=clock_pj,
            leakage_pj_per_cycle=leakage_pj,
            cycle_pj=clock_pj + leakage_pj,
            mac_pj=scale * pe.mac_pj,
            control_pj=scale * pe.control_pj,
            spad_ifmap_read_pj=scale * pe.ifmap_read_pj,
            spad_ifmap_write_pj=scale * pe.ifmap_write_pj,
            spad_filter_read_pj=scale * pe.filter_read_pj,
            spad_filter_write_pj=scale * pe.filter_write_pj,
            spad_psum_read_pj=scale * pe.psum_read_pj,
            spad_psum_write_pj=scale * pe.psum_write_pj,
            noc_ifmap_pj=scale * bits.activation * network.ifmap_pj_per_bit,
            noc_filter_pj=scale * bits.weight * network.filter_pj_per_bit,
            noc_psum_pj=scale * bits.psum * network.psum_pj_per_bit,
            inter_pe_pj_per_bit=scale * network.inter_pe_pj_per_bit,
            glb_read_pj_per_bit=scale * glb.read_pj / word_bits,
            glb_write_pj_per_bit=scale * glb.write_pj / word_bits,
        ),
    )


def _predict_pe(designs: Designs) -> PEPrediction:
    """The PE of each design; outside the characterized range, where a polynomial means nothing, that of the edge."""
    if load_dataflow(designs.dataflow).PE == "registers":
        return load_register_pe(designs.pe_type, designs.dataflow)
    model = load_pe_model(designs.pe_type)
    depths = {name: getattr(designs, name) for name in INPUTS}
    nearest = {name: np.clip(words, *model.ranges[name]) for name, words in depths.items()}
    return replace(model.predict(**nearest), in_range=model.in_range(**depths))


def _sparsity(designs: Designs, technology: Technology) -> Sparsity:
    """As the technology says, but that PEs of registers have nothing that gates zeros."""
    has_gates = load_dataflow(designs.dataflow).PE == "spads"
    return replace(technology.sparsity, zero_gating=technology.sparsity.zero_gating and has_gates)


def _predict_noc(designs: Designs, pe: PEPrediction, bits: OperandBits, technology: Technology) -> NocPrediction:
    array = (
        designs.rows, designs.cols, pe.area_um2, bits.activation, bits.weight, bits.psum,
        designs.glb_bytes_per_cycle, technology.noc,
    )  # fmt: skip
    if load_dataflow(designs.dataflow).PE == "registers":
        return systolic_noc(*array, left="filter" if STATIONARY[designs.dataflow] == "ifmap" else "ifmap")
    return noc(*array)


def _dram_pj_per_bit(designs: Designs, technology: Technology) -> Number:
    """As the technology says; relative to the MAC of a PE with spads, the default ones where a design has none."""
    if technology.dram_pj_per_bit is not None:
        return technology.dram_pj_per_bit
    default = {axis.name: axis.default for axis in NUMERIC_AXES}
    depths = [getattr(designs, name) if designs.has(name) else default[name] for name in INPUTS]
    return dram_pj_per_bit(technology.dram_technology, lambda: load_pe_model("int16").predict(*depths).mac_pj)
