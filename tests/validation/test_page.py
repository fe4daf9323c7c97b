"""What `dse validate` prints and writes, and that the documentation holds it."""

from __future__ import annotations

import csv
import io
import json
import re
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import dse.validation
from cli import cli
from dse.report.tables import WIDTH, to_markdown
from dse.validation import Check, Comparison, Figure, compare, list_comparisons
from dse.validation._page import COLUMNS, markdown, render, summary

ROOT = Path(__file__).parents[2]


@cache
def everything() -> tuple[Comparison, ...]:
    return compare()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["validate", *arguments])


def test_all_comparisons_are_run_in_their_order() -> None:
    assert [found.name for found in everything()] == list(list_comparisons())
    assert list_comparisons()[0] == "eyeriss"


def test_markdown_has_every_row_of_every_table_and_every_result() -> None:
    text = markdown(everything())
    for found in everything():
        assert all(to_markdown(table) in text for table in found.tables)
        assert all(check.what in text for check in found.checks)
        assert f"\n## {found.title}\n" in text


def test_csv_has_every_figure() -> None:
    provenance, *lines = render(everything(), "csv", "dse 1").splitlines()
    assert provenance == "# dse 1"
    rows = list(csv.DictReader(io.StringIO("\n".join(lines))))
    figures = [figure for found in everything() for figure in found.figures]
    assert [(row["item"], float(row["ours"]), float(row["theirs"])) for row in rows] == [
        (figure.item, figure.ours, figure.theirs) for figure in figures
    ]
    assert all(row["source"] for row in rows)


def test_csv_of_a_comparison_without_figures_has_its_header() -> None:
    assert render(compare(["peers"]), "csv", "dse").splitlines()[1] == ",".join(COLUMNS)


def test_json_has_checks_figures_and_tables() -> None:
    found = json.loads(render(everything(), "json", "dse 1"))
    assert list(found) == ["provenance", "checks", "figures", "tables"]
    assert len(found["figures"]) == sum(len(each.figures) for each in everything())
    assert set(found["tables"]) == {table.name for each in everything() for table in each.tables}
    assert {check["holds"] for check in found["checks"]} == {True}


def test_the_terminal_page_has_every_row_in_its_width() -> None:
    text = render(everything(), "table", "dse")
    assert max(map(len, text.splitlines())) <= WIDTH
    flat = re.sub(r"\s+", " ", text)
    for found in everything():
        assert found.title.upper() in text
        for table in found.tables:
            assert all(str(row[0]).split()[0] in flat for row in table.rows)


def test_docs_validation_is_up_to_date() -> None:
    page = (ROOT / "docs" / "validation.md").read_text()
    assert page == markdown(everything()), (
        "write it again: dse validate --format markdown -o docs/validation.md, or make docs"
    )


def test_the_summary_in_the_readme_is_up_to_date() -> None:
    block = re.search(
        r"<!-- begin validation -->\n\n(.*?)\n\n<!-- end validation -->", (ROOT / "README.md").read_text(), re.DOTALL
    )
    assert block
    assert block[1] == summary(everything()).strip(), "make docs writes it again"


def test_links_of_the_page_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([\w./]+)\)", markdown(everything()))
    assert targets
    assert all((ROOT / "docs" / target).is_file() for target in targets)


def test_without_out_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("eyeriss", "peers")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "EYERISS CHIP" in result.stdout
    assert "SCALE-SIM" not in result.stdout
    assert not list(tmp_path.iterdir())


def test_out_gets_what_would_be_printed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.md"
    result = run("peers", "--format", "markdown", "-o", str(path))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"wrote {path}\n")
    assert path.read_text().rstrip("\n") + "\n" == run("peers", "--format", "markdown").stdout


def test_an_unknown_comparison_is_bad_input() -> None:
    result = run("eyerris")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: COMPARISON: unknown comparison, got 'eyerris' (did you mean `eyeriss`?)\n"


def test_a_result_beyond_its_limit_is_marked_and_fails_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = Figure("layer", "cycles", 11, 10)
    check = Check("cycles", figure.error_percent, 5)
    (found,) = compare(["peers"])
    broken = Comparison("peers", "Title", "source", "text", found.tables, (figure,), (check,))
    monkeypatch.setattr(dse.validation, "compare", lambda names: (broken,))
    result = run("peers")
    assert result.exit_code == 1
    assert "5 % BROKEN" in result.stdout
    assert result.stderr == "error: beyond their limit: peers: cycles\n"
