"""The commands that show where the numbers come from: `characterize` measures PEs, `validate` compares with others."""

from __future__ import annotations

from pathlib import Path

import click

import dse
from dse.errors import RunError
from dse.terminal.command_line import form_option, jobs_option, out_option


@click.command()
@click.argument("pe_types", nargs=-1, metavar="[PE_TYPE ...]")
@click.option("--points", type=click.IntRange(min=1), metavar="N", help="Measure N shipped points again and compare.")
@click.option("--at", metavar="K=V,...", help="Measure one point, given by its three scratchpad depths.")
@click.option("--dataflow", metavar="NAME", help="Measure the PE of a systolic dataflow again and compare.")
@click.option("--liberty", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="PATH",
              help="Another cell library (Liberty file).")  # fmt: skip
@out_option("Folder for points and models.  [default: replace the shipped ones]")
@jobs_option()
@form_option("table", "json")
def characterize(
    pe_types: tuple[str, ...], points: int | None, at: str | None, dataflow: str | None, liberty: Path | None,
    out: Path | None, jobs: int, form: str,
) -> None:  # fmt: skip
    """Synthesize PEs, measure them and fit their models (needs the extra `characterize`).

    Without --points, --at or --dataflow this measures every point and systolic PE of the given PE types (all by
    default), writes them and the models, and prints the errors at the held-out points; interrupted, it goes on where it
    stopped. --points, --at and --dataflow write nothing. --liberty never replaces what is shipped: it needs one of
    them or -o.

    \b
    Examples:
      dse characterize int8 --points 3
      dse characterize lightpe1 --at ifmap_spad_words=20,filter_spad_words=100,psum_spad_words=20
      dse characterize int8 --dataflow weight_stationary
      dse characterize int8 int16 --jobs 2
      dse characterize int8 -o my_library
    """
    from dse.config.options import load_counts, load_names
    from dse.report.tables import to_json, to_terminal
    from pe_library.model import INPUTS, list_pe_types
    from pe_library.registers import STATIONARY

    only_shown = [option for option in (points, at, dataflow) if option is not None]
    if len(only_shown) > 1:
        raise click.UsageError("--points, --at and --dataflow exclude each other")
    if out is not None and only_shown:
        raise click.UsageError("-o excludes --points, --at and --dataflow, which write nothing")
    if liberty is not None and not only_shown and out is None:
        raise click.UsageError("--liberty would replace what is shipped: name a folder with -o, or use --at")
    names = load_names(pe_types, "PE_TYPE", "PE type", list_pe_types()) or list_pe_types()
    depths = None if at is None else load_counts(at, "--at", INPUTS, required=INPUTS)
    load_names([dataflow] if dataflow else [], "--dataflow", "systolic dataflow", tuple(STATIONARY))
    try:
        from characterization.report import characterization_tables, systolic_tables
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        raise RunError(f"{missing} is missing: pip install 'dse[characterize]'") from error

    def say(text: str) -> None:
        click.echo(text, err=True)

    if dataflow:
        tables, failure = systolic_tables(names, dataflow, liberty, say)
    else:
        tables, failure = characterization_tables(names, points, depths, liberty, out, jobs, say)
    text = to_json(tables, f"dse {dse.__version__}") if form == "json" else "\n".join(map(to_terminal, tables))
    click.echo(text.rstrip("\n"))
    if failure:
        raise RunError(failure)


@click.command()
@click.argument("comparisons", nargs=-1, metavar="[COMPARISON ...]")
@form_option("table", "markdown", "csv", "json")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="File to write instead of printing.")  # fmt: skip
def validate(comparisons: tuple[str, ...], form: str, out: Path | None) -> None:
    """Compare the model with references: a chip, simulators, other tools, held-out synthesis.

    Every number of ours beside theirs, with its error and source; docs/validation.md is the `markdown` form. Fails
    when a result exceeds its limit.

    \b
    Examples:
      dse validate
      dse validate eyeriss scalesim
      dse validate --format csv > validation.csv
      dse validate --format markdown -o docs/validation.md
    """
    from dse.config.options import load_names
    from dse.report.tables import write
    from dse.validation import compare, list_comparisons
    from dse.validation._page import render

    names = load_names(comparisons, "COMPARISON", "comparison", list_comparisons())
    found = compare(names)
    text = render(found, form, f"dse {dse.__version__}")
    if out is None:
        click.echo(text.rstrip("\n"))
    else:
        click.echo(f"wrote {write(out, text)}", err=True)
    broken = [f"{each.name}: {check.what}" for each in found for check in each.checks if not check.holds]
    if broken:
        raise RunError(f"beyond their limit: {'; '.join(broken)}")
