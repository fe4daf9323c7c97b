"""The layer CSV: what is read, and one clear message for everything that is wrong with a file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.errors import FILE_PROBLEMS, InputError
from tests.workloads.strategies import workloads
from workloads.layer import OPTIONS, SIZES, Layer, Workload
from workloads.loader import COLUMNS, OPTIONAL, list_workloads, load_workload, parse_workload

HEADER = ",".join(COLUMNS)
CONV = "conv1,conv,3,32,32,16,3,3,1,1,1,1,1"
FC = "fc,fc,64,1,1,10,1,1,1,0,1,1,1"


def table(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def row(**changes: object) -> str:
    """The row CONV with some cells replaced."""
    cells = dict(zip(COLUMNS, CONV.split(","), strict=True))
    return ",".join(str(changes.get(column, cell)) for column, cell in cells.items())


def messages(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse_workload(text, "net", "net.csv")
    return [str(problem) for problem in caught.value.problems]


def refusal(path: object) -> str:
    """The only message of a file or name that cannot be loaded."""
    with pytest.raises(InputError) as caught:
        load_workload(str(path))
    assert len(caught.value.problems) == 1
    assert "\n" not in str(caught.value)
    return str(caught.value)


def as_csv(workload: Workload) -> str:
    fields = (*SIZES, *OPTIONS)
    rows = (
        ",".join(map(str, (f"{place}_{layer.name}", layer.kind, *(getattr(layer, field) for field in fields))))
        for place, layer in enumerate(workload.layers)
    )
    return table(",".join(("layer", "kind", *fields)), *rows)


@given(workloads)
def test_what_is_written_is_what_is_read(workload: Workload) -> None:
    read = parse_workload(as_csv(workload), "net", "net.csv")
    assert [layer.shape for layer in read.layers] == [layer.shape for layer in workload.layers]
    assert [layer.count for layer in read.layers] == [layer.count for layer in workload.layers]
    assert [layer.name for layer in read.layers] == [f"{i}_{x.name}" for i, x in enumerate(workload.layers)]


def test_comments_fill_the_fields_of_the_workload() -> None:
    text = table(
        "# Small network.",
        "# source: a paper,",
        "# source: table 2",
        "# published_macs: 123 as printed",
        "# published_gap: 7 a head of the variant",
        HEADER,
        "# see: nothing",
        FC,
        "# outside the model: ReLU",
    )
    workload = parse_workload(text, "net", "net.csv")
    assert workload == Workload(
        "net", (Layer("fc", "fc", 64, 1, 1, 10, 1, 1),), "Small network. see: nothing", "a paper, table 2", "",
        123, "as printed", 7, "a head of the variant", "ReLU",
    )  # fmt: skip
    bare = parse_workload(table(HEADER, FC), "net", "net.csv")
    assert (bare.published_macs, bare.published_gap, bare.source) == (None, 0, "")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_ends_byte_order_mark_blanks_and_column_order_do_not_matter(ending: str, tmp_path: Path) -> None:
    order = list(reversed(COLUMNS))
    cells = dict(zip(COLUMNS, CONV.split(","), strict=True))
    lines = [" , ".join(order), "", " , ".join(cells[column] for column in order), ",,,"]
    path = tmp_path / "net.CSV"
    path.write_bytes(b"\xef\xbb\xbf" + ending.join(lines).encode())
    assert load_workload(path) == parse_workload(table(HEADER, CONV), "net", "net.csv")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (row(C=0), ["column C: must be at least 1, got 0"]),
        (row(M=-16), ["column M: must be at least 1, got -16"]),
        (row(count=0), ["column count: must be at least 1, got 0"]),
        (row(padding=-1), ["column padding: must be at least 0, got -1"]),
        (row(H="32.0"), ["column H: must be a whole number, got '32.0'"]),
        (row(H="nan"), ["column H: must be a whole number, got 'nan'"]),
        (row(W="inf"), ["column W: must be a whole number, got 'inf'"]),
        (row(C="1e3"), ["column C: must be a whole number, got '1e3'"]),
        (row(C="1_000"), ["column C: must be a whole number, got '1_000'"]),
        (row(C="\u0663"), ["column C: must be a whole number, got '\u0663'"]),
        (row(R=""), ["column R: must be a whole number, got ''"]),
        (row(H="9" * 5000), ["column H: must have at most 18 digits, got '999"]),
        (row(H=2**31), [f"column H: must be at most {2**31 - 1}, got {2**31}"]),
        (row(C=2**20, H=2**12, W=2**12, M=2**10), [
            "column count: MACs times count must be at most 2^50, got ",
        ]),
        (row(kind="cov"), ["column kind: unknown kind of layer, got 'cov' (did you mean `conv`?)"]),
        (row(kind="Conv"), ["column kind: unknown kind of layer, got 'Conv' (did you mean `conv`?)"]),
        (row(kind=""), [
            "column kind: unknown kind of layer, got '' (known: conv, depthwise, fc, gemm, matmul, transposed)",
        ]),
        (row(layer=""), ["column layer: must not be empty"]),
        (row(groups=2), ["column groups: must divide C = 3, got 2"]),
        (row(C=32, M=33, groups=32), ["column groups: must divide M = 33, got 32"]),
        (row(C=32, M=32, kind="depthwise"), ["column groups: must be 32 in this depthwise layer, got 1"]),
        (row(R=35), ["column R: filter spans 35 (dilation 1) and must fit the padded ifmap of 34, got 35"]),
        (row(S=18, dilation=2), [
            "column S: filter spans 35 (dilation 2) and must fit the padded ifmap of 34, got 18",
        ]),
        (row(kind="fc", stride=2), [
            "column R: must be 32 in this fc layer, got 3",
            "column S: must be 32 in this fc layer, got 3",
            "column stride: must be 1 in this fc layer, got 2",
            "column padding: must be 0 in this fc layer, got 1",
        ]),
        (row(C="three", H=0, kind="x", stride="2.5"), [
            "column C: must be a whole number, got 'three'",
            "column stride: must be a whole number, got '2.5'",
            "column kind: unknown kind of layer, got 'x'",
            "column H: must be at least 1, got 0",
        ]),
        ("conv2,conv,3", [": must have 13 values, has 3"]),
        (CONV + ",7", [": must have 13 values, has 14"]),
        (row(layer="fc"), ["column layer: name is used in line 2 already, got 'fc' (equal layers: one row"]),
        ('"conv1,conv,3', [": must have 13 values, has 1"]),
    ],
)  # fmt: skip
def test_a_bad_row_names_line_column_rule_and_value(line: str, expected: list[str]) -> None:
    found = messages(table(HEADER, FC, line))
    assert len(found) == len(expected)
    for text, message in zip(found, expected, strict=True):
        assert text.startswith(f"net.csv:3{'' if message.startswith(':') else ' '}{message}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["net.csv: has no header and no layers (the header is layer,kind,C,"]),
        ("# only a comment\n\n", ["net.csv: has no header and no layers"]),
        (table(HEADER), ["net.csv: has a header and no layers"]),
        (table(CONV), ["net.csv:1: is not the header of a layer CSV, got 'conv1' (the header is layer,kind,C"]),
        (table(HEADER.replace(",", ";")), ["net.csv:1: is not the header of a layer CSV, got 'layer;kind;"]),
        (table(HEADER.replace(",stride", ""), CONV), ["net.csv:1: column `stride` is missing"]),
        (table(HEADER + ",stride", CONV + ",1"), ["net.csv:1: column is there twice, got 'stride'"]),
        (table(HEADER.replace("stride", "strides"), CONV), [
            "net.csv:1: column `stride` is missing",
            "net.csv:1: unknown column, got 'strides' (did you mean `stride`?)",
        ]),
        (table("# published_macs: many", HEADER, row(C=0), row(layer="b", M=0)), [
            "net.csv:3 column C: must be at least 1, got 0",
            "net.csv:4 column M: must be at least 1, got 0",
            "net.csv:1: `published_macs:` must start with a whole number, got 'many'",
        ]),
    ],
)  # fmt: skip
def test_a_bad_file_is_described_at_once(text: str, expected: list[str]) -> None:
    found = messages(text)
    assert len(found) == len(expected)
    for message, start in zip(found, expected, strict=True):
        assert message.startswith(start)


def test_a_flood_of_problems_is_cut_and_counted() -> None:
    found = messages(table(HEADER, *(row(layer=f"l{i}", C=0) for i in range(100))))
    assert len(found) == FILE_PROBLEMS + 1
    assert found[-1] == f"net.csv: and {100 - FILE_PROBLEMS} more problems"


def test_a_total_beyond_int64_arithmetic_is_refused() -> None:
    huge = row(C=1024, H=32768, W=32768, M=1024, R=1, S=1, padding=0)
    assert messages(table(HEADER, huge, huge.replace("conv1", "conv2"))) == [
        f"workload net: must have at most 2^50 MACs in total, got {2**51}"
    ]


def test_files_that_are_no_text_or_cannot_be_read_are_refused(tmp_path: Path) -> None:
    binary, nul, large = tmp_path / "b.csv", tmp_path / "n.csv", tmp_path / "l.csv"
    binary.write_bytes(bytes(range(128, 256)))
    nul.write_bytes(b"layer\0kind\n")
    large.write_bytes(b"#" * (5 * 1024 * 1024))
    assert refusal(binary) == f"{binary}: is not a text file (UTF-8)"
    assert refusal(nul) == f"{nul}: is not a text file (UTF-8)"
    assert refusal(large).startswith(f"{large}: is larger than ")
    assert refusal(tmp_path / "none.csv").endswith("none.csv: cannot be read: No such file or directory")
    (tmp_path / "folder.csv").mkdir()
    assert refusal(tmp_path / "folder.csv").endswith("folder.csv: cannot be read: Is a directory")
    assert "cannot be read" in refusal("a\0b.csv")


def test_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "open", denied)  # file modes do not stop the superuser
    assert refusal(tmp_path / "secret.csv").endswith("secret.csv: cannot be read: Permission denied")


def test_an_unknown_name_gets_a_hint() -> None:
    rule = "must be a shipped network, a member of a family or the path of a .csv file"
    assert refusal("resnet5O") == f"workload: {rule}, got 'resnet5O' (did you mean `resnet50`?)"
    assert "known: alexnet, " in refusal("")
    assert "known: alexnet, " in refusal("nets/mine.txt")


def test_onnx_is_refused_in_one_line_that_names_what_works(tmp_path: Path) -> None:
    message = refusal(tmp_path / "model.onnx")
    assert "model.onnx: ONNX files are not supported yet (give a layer CSV, a SCALE-Sim topology CSV" in message
    assert all(name in message for name in list_workloads())


def outcome(text: str) -> Workload | InputError:
    try:
        return parse_workload(text, "net", "net.csv")
    except InputError as error:
        return error


def is_clean(result: Workload | InputError) -> bool:
    """A usable workload, or an error that names the file and is not a flood."""
    if isinstance(result, Workload):
        return result.macs >= 1
    return 1 <= len(result.problems) <= FILE_PROBLEMS + 1 and all(p.path.startswith("net") for p in result.problems)


@given(st.text() | st.lists(st.text(), min_size=1).map(lambda lines: table(HEADER, *lines)))
def test_any_text_is_a_workload_or_an_input_error(text: str) -> None:
    assert is_clean(outcome(text))


CELLS = st.sampled_from(["0", "1", "3", "-1", "x", "", "0.5", "1e9", "99999999999"])
KIND_CELLS = st.sampled_from(["conv", "fc", "matmul", "transposed", "x", ""])


@given(KIND_CELLS, st.lists(CELLS, min_size=16, max_size=16))
def test_any_row_is_a_layer_or_an_input_error(kind: str, cells: list[str]) -> None:
    assert is_clean(outcome(table(",".join((*COLUMNS, *OPTIONAL)), ",".join(("layer", kind, *cells)))))
