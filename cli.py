"""The `dse` command: thin commands over the packages, each importing what it needs when it runs.

Exit codes: 0 done, 1 the run failed, 2 the input is wrong, 130 interrupted. Data goes to stdout, messages to stderr.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

import dse
from dse.errors import InputError, RunError

MAX_SHOWN = 25  # problems printed; a file may have thousands

Command = TypeVar("Command", bound=Callable[..., Any])


class Commands(click.Group):
    """A group that keeps the order of its commands and turns errors into messages and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of definition."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; every error that is not a bug ends in one message on stderr."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except InputError as error:
            for problem in error.problems[:MAX_SHOWN]:
                click.echo(f"error: {problem}", err=True)
            if len(error.problems) > MAX_SHOWN:
                click.echo(f"error: and {len(error.problems) - MAX_SHOWN} more problems", err=True)
            ctx.exit(2)
        except RunError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(1)
        except BrokenPipeError:
            raise  # click ends quietly when the reader of our output has gone
        except (OSError, MemoryError) as error:
            click.echo(f"error: {error or 'out of memory'}", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(130)


def form_option(*forms: str) -> Callable[[Command], Command]:
    """`--format`; the first form is the default."""
    return click.option("--format", "form", type=click.Choice(forms), default=forms[0], show_default=True,
                        help="Form of the output.")  # fmt: skip


def out_option(help_text: str) -> Callable[[Command], Command]:
    """`-o DIR`."""
    folder = click.Path(file_okay=False, path_type=Path)
    return click.option("-o", "--out", type=folder, metavar="DIR", help=help_text)


def jobs_option() -> Callable[[Command], Command]:
    """`--jobs N`, by default one per processor this process may use."""
    return click.option("--jobs", type=click.IntRange(1, 1024), default=_processors, metavar="N",
                        help="Processes to use.  [default: all processors]")  # fmt: skip


run_argument = click.argument("run", required=False, metavar="[RUN]")


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(dse.__version__, prog_name="dse")
def cli() -> None:
    """Explore the designs of quantized DNN accelerators, from synthesized RTL to Pareto fronts.

    \b
    Start here:
      dse sweep examples/quidam.yaml
      dse pareto --metric perf_per_area
      dse evaluate --workload resnet50 --design pe_type=int8
    """


@cli.command()
@click.argument("config", type=click.Path(path_type=Path))
@out_option("Folder of the run.  [default: results/NAME]")
@jobs_option()
@click.option("--fresh", is_flag=True, help="Replace a run that is there instead of resuming it.")
def sweep(config: Path, out: Path | None, jobs: int, fresh: bool) -> None:
    """Evaluate every design of CONFIG on every workload.

    A killed sweep goes on where it stopped. The run folder gets run.json and points.parquet. docs/config.md and
    `dse schema` describe CONFIG.

    \b
    Examples:
      dse sweep examples/quidam.yaml
      dse sweep study.yaml -o results/second --jobs 8
    """
    from dse.config import load_study
    from dse.progress import show_progress
    from dse.run import RESULTS
    from dse.sweep import sweep as run_sweep

    study = load_study(config)
    with show_progress() as progress:
        summary = run_sweep(study, out or RESULTS / study.name, jobs, fresh, progress)
    percent = 100 * summary.feasible / max(1, summary.points)
    click.echo(
        f"{summary.path}: {summary.designs:,} designs x {len(study.workloads)} workloads = {summary.points:,} points, "
        f"{percent:.1f} % feasible, {summary.wall_s:.1f} s{' (resumed)' if summary.resumed else ''}"
    )
    click.echo(f"next: dse pareto {shlex.quote(str(summary.path))} --metric {study.objectives[0]}")


@cli.command()
@run_argument
@click.option(
    "--metric", "metrics", multiple=True, metavar="M", default=["perf_per_area"], show_default=True,
    help="Metric to trade off, repeatable; see `dse list metrics`. One alone is paired with energy.",
)  # fmt: skip
@form_option("table", "csv", "json")
@out_option("Folder for pareto.csv and the figure.  [default: the run's own]")
def pareto(run: str | None, metrics: tuple[str, ...], form: str, out: Path | None) -> None:
    """Print the exact Pareto front of RUN and its best designs per PE type.

    RUN is a run folder or its name under results/; the newest by default.

    \b
    Examples:
      dse pareto --metric perf_per_area
      dse pareto results/quidam --metric latency --metric energy --metric area
      dse pareto quidam --metric edp --format csv > fronts.csv
    """
    from dse.fronts import pareto as make_pareto
    from dse.run import open_run

    found = make_pareto(open_run(run), metrics, out)
    click.echo(found.render(form).rstrip("\n"))
    for message in (*found.messages, f"wrote {found.csv_path}", *(f"wrote {path}" for path in found.figures)):
        click.echo(message, err=True)


@cli.command()
@click.option("--workload", required=True, metavar="W", help="Name (see `dse list workloads`) or path of a network.")
@click.option("--design", default="", metavar="K=V,...", help="Axes of the design; those left out have their default.")
@click.option("--mapping", default="", metavar="K=V,...", help="Mapping parameters to pin; see `dse list dataflows`.")
@click.option("--objective", type=click.Choice(["latency", "energy", "edp"]), default="edp", show_default=True,
              help="What the mapper minimizes, layer by layer.")  # fmt: skip
@form_option("table", "csv", "json")
def evaluate(workload: str, design: str, mapping: str, objective: str, form: str) -> None:
    """Evaluate one design on one network, layer by layer.

    `table` prints totals and the main columns of each layer, `csv` every column of each layer, `json` all of it as
    {provenance, totals, layers}.

    \b
    Examples:
      dse evaluate --workload resnet50 --design pe_type=lightpe1,rows=16,cols=16,glb_kib=256
      dse evaluate --workload alexnet --design clock_mhz=200,batch=4 --objective energy
      dse evaluate --workload vgg16 --mapping e=14,p=16 --format json
    """
    from dse.dataflow import load_dataflow
    from dse.design_report import report_design
    from dse.options import load_counts, load_design
    from workloads.loader import load_workload

    designs = load_design(design)
    pins = load_counts(mapping, "--mapping", load_dataflow(designs.dataflow).PARAMETERS)
    found = report_design(designs, load_workload(workload), objective, pins)
    click.echo(found.render(form).rstrip("\n"))


@cli.command()
@run_argument
@out_option("Folder for the report.  [default: the run's own]")
def report(run: str | None, out: Path | None) -> None:
    """Write every table and figure of RUN that goes into a paper.

    RUN is a run folder or its name under results/; the newest by default.

    \b
    Examples:
      dse report
      dse report results/quidam -o paper/figures
    """
    from dse.report import report as make_report
    from dse.run import open_run

    for path in make_report(open_run(run), out):
        click.echo(path)


@cli.command("list")
@click.argument("what", type=click.Choice(["pe-types", "workloads", "dataflows", "metrics"]))
@form_option("table", "csv", "json")
def list_(what: str, form: str) -> None:
    """List what there is to choose from.

    \b
    Examples:
      dse list pe-types
      dse list workloads --format json
    """
    from dse.catalogue import catalogue
    from dse.tables import to_csv, to_json, to_terminal

    table, provenance = catalogue(what, brief=form == "table"), f"dse {dse.__version__}"
    if form == "table":
        text = to_terminal(table)
    else:
        text = to_csv(table, provenance) if form == "csv" else to_json([table], provenance)
    click.echo(text.rstrip("\n"))


@cli.command()
@form_option("json", "markdown")
def schema(form: str) -> None:
    """Print the JSON Schema of config files, for editors; or their keys as a Markdown table.

    \b
    Examples:
      dse schema > dse.schema.json
      dse schema --format markdown
    """
    from dse.schema_docs import json_schema, key_table

    click.echo(json_schema() if form == "json" else key_table())


def main() -> None:
    """Entry point."""
    cli(prog_name="dse")


if __name__ == "__main__":
    main()
