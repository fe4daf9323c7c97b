"""The `dse` command: thin commands over the packages, each importing what it needs when it runs.

Exit codes: 0 done, 1 the run failed, 2 the input is wrong, 130 interrupted. Data goes to stdout, messages to stderr.
"""

from __future__ import annotations

from pathlib import Path

import click

import dse
from dse.errors import InputError, Problem
from dse.sparsity import COMPRESSIONS, NO_ZEROS, ZEROS_HINT, Compression
from dse.terminal.command_line import Commands, form_option, jobs_option, out_option, run_argument
from dse.terminal.evidence import characterize, validate


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
@click.option("--scheduler", metavar="ADDRESS",
              help="Use the workers of the Dask scheduler at tcp://HOST:PORT instead of processes here.")  # fmt: skip
@click.option("--no-prune", is_flag=True,
              help="Evaluate every design, also where only fronts are kept and bounds would do.")  # fmt: skip
@click.option("--fresh", is_flag=True, help="Replace a run that is there instead of resuming it.")
def sweep(config: Path, out: Path | None, jobs: int, scheduler: str | None, no_prune: bool, fresh: bool) -> None:
    """Evaluate every design of CONFIG on every workload.

    A killed sweep goes on where it stopped. The run folder gets run.json and points.parquet. Of more than two million
    points only the exact Pareto fronts are kept (`keep` in CONFIG). docs/config.md and `dse schema` describe CONFIG,
    docs/scale.md runs that take long or more than one machine.

    \b
    Examples:
      dse sweep examples/quidam.yaml
      dse sweep study.yaml -o results/second --jobs 8
      dse sweep study.yaml --fresh
      dse sweep study.yaml --scheduler tcp://10.0.0.1:8786
    """
    from dse.config import load_study
    from dse.report.run import RESULTS
    from dse.sweep import sweep as run_sweep
    from dse.terminal.outcome import intentions, outcome, remarks
    from dse.terminal.progress import show_progress

    study = load_study(config)
    for line in intentions(study):
        click.echo(line, err=True)
    with show_progress("sweep") as progress:
        path = out or RESULTS / study.name
        summary = run_sweep(study, path, jobs, fresh, progress, scheduler, prune=not no_prune)
    for line in outcome(study, summary):
        click.echo(line)
    for line in remarks(study, summary):
        click.echo(line, err=True)


@cli.command()
@run_argument
@click.option(
    "--metric", "metrics", multiple=True, metavar="M",
    help="Metric to trade off, repeatable; see `dse list metrics`. One alone is paired with energy, or what it kept. "
    " [default: perf_per_area; the objectives where networks compete or only their fronts are kept]",
)  # fmt: skip
@form_option("table", "csv", "json")
@out_option("Folder for pareto.csv and the figure.  [default: the run's own]")
def pareto(run: str | None, metrics: tuple[str, ...], form: str, out: Path | None) -> None:
    """Print the Pareto front of RUN, exact over its points, and its best designs per PE type.

    RUN is a run folder or its name under results/; the newest by default.

    \b
    Examples:
      dse pareto --metric perf_per_area
      dse pareto results/quidam --metric latency --metric energy --metric area
      dse pareto quidam --metric edp --format csv > fronts.csv
    """
    from dse.report.fronts import pareto as make_pareto
    from dse.report.run import open_run

    found = make_pareto(open_run(run), metrics, out)
    click.echo(found.render(form).rstrip("\n"))
    for message in (*found.messages, f"wrote {found.csv_path}", *(f"wrote {path}" for path in found.figures)):
        click.echo(message, err=True)


@cli.command()
@click.argument("config", type=click.Path(path_type=Path))
@out_option("Folder of the run.  [default: results/NAME-optimize]")
@click.option("--algorithm", metavar="NAME", help="nsga2, nsga3, random or local.  [default: the config's, else nsga2]")
@click.option(
    "--evaluations",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="Designs (or pairs of network and design) at most.  [default: the config's, or 20000]",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), metavar="S",
              help="Seed of the random generator.  [default: the config's, else 0]")  # fmt: skip
@click.option("--fresh", is_flag=True, help="Replace a run that is there instead of resuming it.")
def optimize(
    config: Path, out: Path | None, algorithm: str | None, evaluations: int | None, seed: int | None, fresh: bool
) -> None:
    """Search the space of CONFIG for the Pareto front of its objectives (needs the extra `optimize`).

    For spaces too large to sweep. The run folder gets run.json, points.parquet with the designs evaluated, front.csv,
    and convergence.csv with its figure; `dse pareto` and `dse report` read it like a sweep's. See docs/optimize.md.

    \b
    Examples:
      dse optimize examples/optimize.yaml
      dse optimize study.yaml --algorithm nsga3 --evaluations 50000 --seed 7
      dse optimize study.yaml -o results/second --fresh
    """
    from dataclasses import replace

    from dse.config import load_study
    from dse.config.options import load_names
    from dse.optimize import optimize as run_optimize
    from dse.optimizers import list_algorithms
    from dse.report.run import RESULTS
    from dse.terminal.outcome import search_outcome, unrated
    from dse.terminal.progress import show_progress

    load_names([algorithm] if algorithm else [], "--algorithm", "algorithm", list_algorithms())
    study = load_study(config)
    options = study.optimization.override(algorithm, evaluations, seed)
    for line in unrated(study):
        click.echo(line, err=True)
    with show_progress("optimize") as progress:
        path = out or RESULTS / f"{study.name}-optimize"
        summary = run_optimize(replace(study, optimization=options), path, fresh, progress)
    for line in search_outcome(study, options, summary):
        click.echo(line)


@cli.command()
@click.option(
    "--workload", required=True, metavar="W", help="Name (see `dse list workloads`, `families`) or path of a network."
)
@click.option("--design", multiple=True, metavar="K=V,...",
              help="Axes of the design; those left out have their default.")  # fmt: skip
@click.option("--layer", "layers", multiple=True, metavar="NAME", help="Only this layer; may be repeated.")
@click.option("--mapping", multiple=True, metavar="K=V,...",
              help="Mapping parameters to pin, see `dse list dataflows`; the free search is shown, too.")  # fmt: skip
@click.option("--objective", type=click.Choice(["latency", "energy", "edp"]),
              help="What the mapper minimizes, layer by layer.  [default: that of --config, else edp]")  # fmt: skip
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE",
              help="Study to take `technology` and `mapping.objective` from.")  # fmt: skip
@click.option("--zero-gating", is_flag=True, help="A zero ifmap word stops filter read and arithmetic of the PE.")
@click.option("--compression", type=click.Choice(COMPRESSIONS),
              help="Code of feature maps in DRAM; needs a network with shares of zeros.  "
                   "[default: that of --config, else none]")  # fmt: skip
@form_option("table", "csv", "json")
def evaluate(
    workload: str,
    design: tuple[str, ...],
    layers: tuple[str, ...],
    mapping: tuple[str, ...],
    objective: str | None,
    config: Path | None,
    zero_gating: bool,
    compression: Compression | None,
    form: str,
) -> None:
    """Evaluate one design on one network, layer by layer.

    `table` prints totals and the main columns of each layer, `csv` every column of each layer, `json` all of it as
    {provenance, totals, layers}. With pins, `table` and `json` (free_search) have the free search, too.

    \b
    Examples:
      dse evaluate --workload resnet50 --design pe_type=lightpe1,rows=16,cols=16,glb_kib=256
      dse evaluate --workload alexnet --design clock_mhz=200,batch=4 --objective energy
      dse evaluate --workload alexnet --zero-gating --compression rlc
      dse evaluate --workload vgg16 --design pe_type=int8,glb_kib=64 --config examples/quidam.yaml
      dse evaluate --workload vgg16 --layer conv1_2 --mapping e=14,p=16 --format json
    """
    from dse.config import load_study
    from dse.config.options import load_counts, load_design
    from dse.dataflow import load_dataflow
    from dse.technology import Technology
    from dse.terminal.design import report_design
    from workloads.accuracies import shipped_runs, with_accuracies
    from workloads.loader import load_workload

    designs = load_design(",".join(design))
    pins = load_counts(",".join(mapping), "--mapping", load_dataflow(designs.dataflow).PARAMETERS)
    study = load_study(config) if config else None
    technology = (study.technology if study else Technology()).with_sparsity(zero_gating, compression)
    (network,) = with_accuracies([load_workload(workload)], (), shipped_runs(("measured",)), ("measured",))
    network = network.only(layers) if layers else network
    if technology.sparsity.in_use and not network.states_zeros:
        raise InputError(Problem("--zero-gating, --compression", NO_ZEROS, hint=ZEROS_HINT))
    if technology.sparsity.zero_gating and load_dataflow(designs.dataflow).PE == "registers":
        raise InputError(Problem("--zero-gating", f"must be left out: PEs of {designs.dataflow} have no zero gating"))
    objective = objective or (study.mapping_objective if study else "edp")
    found = report_design(designs, network, objective, pins, technology)
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
    from dse.report.full import report as make_report
    from dse.report.kept import left_out
    from dse.report.run import open_run

    found = open_run(run)
    for path in make_report(found, out):
        click.echo(path)
    for message in left_out(found):
        click.echo(message, err=True)


@cli.command("list")
@click.argument("what", type=click.Choice(["pe-types", "workloads", "families", "dataflows", "metrics"]))
@form_option("table", "csv", "json")
def list_(what: str, form: str) -> None:
    """List what there is to choose from.

    \b
    Examples:
      dse list pe-types
      dse list workloads --format json
    """
    from dse.report.tables import to_csv, to_json, to_terminal
    from dse.terminal.catalogue import catalogue

    table, provenance = catalogue(what, brief=form == "table"), f"dse {dse.__version__}"
    if form == "table":
        text = to_terminal(table)
    else:
        text = to_csv(table, provenance) if form == "csv" else to_json([table], provenance)
    click.echo(text.rstrip("\n"))


cli.add_command(characterize)
cli.add_command(validate)


@cli.command()
@form_option("json", "markdown")
def schema(form: str) -> None:
    """Print the JSON Schema of config files, for editors; or their keys as a Markdown table.

    \b
    Examples:
      dse schema > dse.config.schema.json
      dse schema --format markdown
    """
    from dse.config.reference import json_schema, key_table

    click.echo(json_schema() if form == "json" else key_table())


def main() -> None:
    """Entry point."""
    cli(prog_name="dse")


if __name__ == "__main__":
    main()
