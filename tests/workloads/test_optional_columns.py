"""Columns that a layer CSV may have: unequal padding, shares of zeros, transposed convolutions."""

from __future__ import annotations

import pytest

from tests.workloads.test_workload_loader import CONV, HEADER, messages, table
from workloads.loader import COLUMNS, OPTIONAL, parse_workload
from workloads.transposed import TransposedConvolution

OPTIONAL_HEADER = ",".join((*COLUMNS, *OPTIONAL))


def optional_row(**changes: object) -> str:
    """The row CONV with some cells replaced, under a header with every optional column; those not given are empty."""
    cells = dict(zip(COLUMNS, CONV.split(","), strict=True)) | changes
    return ",".join(str(cells.get(column, "")) for column in (*COLUMNS, *OPTIONAL))


def test_an_empty_optional_cell_is_a_column_left_out() -> None:
    filled = parse_workload(table(OPTIONAL_HEADER, optional_row()), "net", "net.csv")
    assert filled == parse_workload(table(HEADER, CONV), "net", "net.csv")


def test_optional_columns_fill_their_fields() -> None:
    changes: dict[str, object] = {"pad_bottom": 1, "pad_right": 2, "ifmap_zeros": 0.387, "ofmap_zeros": 1}
    (layer,) = parse_workload(table(OPTIONAL_HEADER, optional_row(**changes)), "net", "net.csv").layers
    assert {name: getattr(layer, name) for name in changes} == changes


def test_a_transposed_row_becomes_the_convolutions_that_compute_it() -> None:
    line = optional_row(layer="up", kind="transposed", R=4, S=4, stride=2, count=3, output_padding=1, ifmap_zeros=0.5)
    expected = TransposedConvolution("up", 3, 32, 32, 16, 4, 4, 2, 1, count=3, output_padding=1, ifmap_zeros=0.5)
    assert parse_workload(table(OPTIONAL_HEADER, line), "net", "net.csv").layers == expected.layers()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output_padding": 1}, "output_padding: must be 0 in any but a transposed layer, got 1"),
        ({"kind": "transposed", "pad_right": 1}, "pad_right: must be 0 in a transposed layer, got 1"),
        ({"kind": "transposed", "groups": 2}, "groups: must divide C = 3, got 2"),
        ({"kind": "transposed", "H": 1, "padding": 3}, "padding: leaves an ofmap of -3 x 28, got 3"),
        ({"kind": "transposed", "output_padding": 1}, "output_padding: must be smaller than stride 1 or dilation 1"),
        ({"kind": "transposed", "stride": 65}, "stride: must be at most 64 in a transposed layer, got 65"),
        ({"kind": "transposed", "output_padding": -1}, "output_padding: must be at least 0, got -1"),
        ({"kind": "transposed", "output_padding": "x"}, "output_padding: must be a whole number, got 'x'"),
        ({"pad_bottom": "1.0"}, "pad_bottom: must be a whole number, got '1.0'"),
        ({"ifmap_zeros": "1.01"}, "ifmap_zeros: must be a share from 0 to 1, got 1.01"),
        ({"ofmap_zeros": "-0.1"}, "ofmap_zeros: must be a share from 0 to 1, got '-0.1'"),
        ({"ofmap_zeros": "38.7%"}, "ofmap_zeros: must be a share from 0 to 1, got '38.7%'"),
        ({"ifmap_zeros": "nan"}, "ifmap_zeros: must be a share from 0 to 1, got 'nan'"),
    ],
)
def test_a_bad_optional_cell_gives_one_clear_message(changes: dict[str, object], message: str) -> None:
    (found,) = messages(table(OPTIONAL_HEADER, optional_row(**changes)))
    assert found.startswith(f"net.csv:2 column {message}")
