"""A cell library small enough to compute by hand, and netlists made of it.

Delay, slew and energy of a gate are linear in load and slew, so table lookups can be checked without tables.
Capacitances are in pF and times in ps in the file, on purpose: the reader must convert them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# delay [ns] = BASE[cell] + PER_FF * load + PER_NS * slew; output slew [ns] = 2 * PER_FF * load
BASE = {"INV": 0.010, "NAND2": 0.015, "XOR2": 0.030, "DFF": 0.100}
PER_FF, PER_NS = 0.002, 0.5
PIN_FF, CLOCK_PIN_FF = 1.5, 1.0
SETUP_NS = 0.040
VOLTAGE = 1.2
ENERGY_FJ = {"INV": 1.0, "NAND2": 1.5, "XOR2": 2.0, "DFF": 4.0}
DATA_FJ, CLOCK_HOLD_FJ, CLOCK_FALL_FJ = 0.7, 2.0, 3.0
GATE_CLOSED_FJ, GATE_OPEN_FJ = 1.1, 2.2
AREA = {"INV": 0.5, "NAND2": 0.8, "XOR2": 1.6, "DFF": 4.5, "ICG": 3.5}
LEAKAGE_NW = {"INV": 10.0, "NAND2": 15.0, "XOR2": 30.0, "DFF": 80.0, "ICG": 50.0}
WIRE_FF = {1: 0.5, 2: 1.0, 3: 2.0}  # then 2.0 more per sink


def _grid(kind: str, name: str, function: Any) -> str:
    rows, columns = (0.0, 0.1, 1.0), (0.0, 2.0, 10.0)  # ns, fF
    lines = ", ".join('"' + ", ".join(f"{function(s, c):.9g}" for c in columns) + '"' for s in rows)
    return f"{kind} ({name}) {{ values ({lines}); }}\n"


def _arcs(cell: str, pin: str, sense: str, kind: str = "combinational", when: str = "") -> str:
    delay = lambda s, c: 1e3 * (BASE[cell] + PER_FF * c + PER_NS * s)  # noqa: E731
    slew = lambda s, c: 1e3 * 2 * PER_FF * c  # noqa: E731
    tables = _grid("cell_rise", "t", delay) + _grid("cell_fall", "t", delay)
    tables += _grid("rise_transition", "t", slew) + _grid("fall_transition", "t", slew)
    condition = f'when : "{when}";' if when else ""
    power = _grid("rise_power", "p", lambda s, c: ENERGY_FJ[cell] / 1e3)
    power += _grid("fall_power", "p", lambda s, c: ENERGY_FJ[cell] / 1e3)
    return (
        f'timing () {{ related_pin : "{pin}"; timing_sense : {sense}; timing_type : {kind}; {condition} {tables} }}\n'
        f'internal_power () {{ related_pin : "{pin}"; {condition} {power} }}\n'
    )


def _scalar(kind: str, femtojoule: float) -> str:
    return f'{kind} (scalar) {{ values ("{femtojoule / 1e3}"); }}\n'


def _input(name: str, cap_ff: float, body: str = "") -> str:
    return f"pin ({name}) {{ direction : input; capacitance : {cap_ff / 1e3}; {body} }}\n"


def _head(cell: str) -> str:
    return f"area : {AREA[cell]}; cell_leakage_power : {LEAKAGE_NW[cell]};"


def _gate(cell: str, function: str, pins: str, senses: tuple[tuple[str, str], ...]) -> str:
    inputs = "".join(_input(pin, PIN_FF) for pin in pins)
    arcs = "".join(_arcs(cell, pin, sense, when=when) for pin in pins for sense, when in senses)
    body = f'pin (Y) {{ direction : output; function : "{function}"; max_capacitance : 0.06; {arcs} }}'
    return f"cell ({cell}) {{ {_head(cell)} {inputs} {body} }}\n"


def _setup() -> str:
    table = _grid("rise_constraint", "s", lambda a, b: 1e3 * SETUP_NS)
    table += _grid("fall_constraint", "s", lambda a, b: 1e3 * SETUP_NS)
    return f'timing () {{ related_pin : "CK"; timing_type : setup_rising; {table} }}'


def _flip_flop() -> str:
    hidden = _scalar("rise_power", DATA_FJ) + _scalar("fall_power", DATA_FJ)
    data = _setup() + f'internal_power () {{ when : "!CK"; {hidden} }}'
    hold = _scalar("rise_power", CLOCK_HOLD_FJ) + _scalar("fall_power", CLOCK_FALL_FJ)
    change = _scalar("rise_power", 0.0) + _scalar("fall_power", 9.0)
    clock = (
        f'internal_power () {{ when : "(D & Q) | (!D & !Q)"; {hold} }}internal_power () {{ when : "D ^ Q"; {change} }}'
    )
    output = f'pin (Q) {{ direction : output; function : "IQ"; {_arcs("DFF", "CK", "non_unate", "rising_edge")} }}'
    state = 'ff (IQ, IQN) { next_state : "D"; clocked_on : "CK"; }'
    inputs = _input("D", PIN_FF, data) + _input("CK", CLOCK_PIN_FF, clock)
    return f"cell (DFF) {{ {_head('DFF')} {state} {inputs} {output} }}\n"


def _clock_gate() -> str:
    closed = _scalar("rise_power", GATE_CLOSED_FJ) + _scalar("fall_power", GATE_CLOSED_FJ)
    clock = f'clock_gate_clock_pin : true; internal_power () {{ when : "!E & !GCK"; {closed} }}'
    enable = "clock_gate_enable_pin : true;" + _setup()
    opened = _scalar("rise_power", GATE_OPEN_FJ) + _scalar("fall_power", GATE_OPEN_FJ)
    output = (
        'pin (GCK) { direction : output; state_function : "CK & IQ"; clock_gate_out_pin : true;'
        f' internal_power () {{ related_pin : "CK"; {opened} }} }}'
    )
    pins = _input("CK", CLOCK_PIN_FF, clock) + _input("E", PIN_FF, enable)
    return f"cell (ICG) {{ {_head('ICG')} clock_gating_integrated_cell : latch_posedge; {pins} {output} }}\n"


def liberty_text() -> str:
    """The library as a Liberty file."""
    axes = 'variable_2 : total_output_net_capacitance; index_1 ("0, 100, 1000"); index_2 ("0, 0.002, 0.010");'
    templates = (
        f"lu_table_template (t) {{ variable_1 : input_net_transition; {axes} }}\n"
        f"power_lut_template (p) {{ variable_1 : input_transition_time; {axes} }}\n"
        "lu_table_template (s) { variable_1 : constrained_pin_transition; variable_2 : related_pin_transition;"
        ' index_1 ("0, 100, 1000"); index_2 ("0, 100, 1000"); }\n'
    )
    wires = "".join(f"fanout_length ({n}, {cap});" for n, cap in WIRE_FF.items())
    exclusive = (("positive_unate", "!B"), ("negative_unate", "B"))
    return (
        "/* a tiny library */ library (tiny) {\n"
        f'time_unit : "1ps"; leakage_power_unit : "1nW"; capacitive_load_unit (1, pf); nom_voltage : {VOLTAGE};\n'
        "nom_temperature : 25; default_wire_load : w;\n"
        f"wire_load (w) {{ capacitance : 0.001; slope : 2.0; {wires} }}\n"
        + templates
        + _gate("INV", "!A", "A", (("negative_unate", ""),))
        + _gate("NAND2", "!(A & B)", "AB", (("negative_unate", ""),))
        + _gate("XOR2", "A ^ B", "AB", exclusive)
        + _flip_flop()
        + _clock_gate()
        + "}\n"
    )


def module(
    ports: Mapping[str, tuple[str, int]], cells: Mapping[str, tuple[str, Mapping[str, int | str]]]
) -> dict[str, Any]:
    """A Yosys JSON module from one-bit ports {name: (direction, net)} and cells {name: (type, {pin: net})}."""
    return {
        "ports": {name: {"direction": way, "bits": [net]} for name, (way, net) in ports.items()},
        "cells": {
            name: {"type": kind, "connections": {pin: [net] for pin, net in pins.items()}}
            for name, (kind, pins) in cells.items()
        },
    }


def wire_ff(fanout: int) -> float:
    """Wire-load capacitance at a fan-out."""
    return WIRE_FF[fanout] if fanout in WIRE_FF else 2.0 * (fanout - 2)
