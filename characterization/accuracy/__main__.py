"""Command line: `python -m characterization.accuracy COMMAND --help`.

Exit codes: 0 done, 1 the run failed or the demo disagrees, 2 the input is wrong or PyTorch is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from dse.errors import InputError, RunError
from dse.report.tables import Table, to_terminal
from pe_library.model import list_pe_types

SEEDS = (0, 1, 2)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Train networks on the operands of PE types, and rank a family of networks. docs/accuracy.md explains it.

    \b
    train, table             networks for every PE type, several seeds
    supernet, score          shared weights of 216 networks, and their scores for every PE type
    alone, rank              drawn pairs (or finalists) trained alone, and the rank correlation
    demo                     a slice of the measured table again, in minutes
    """


def processes_option() -> Callable[..., Any]:
    """How many processes."""
    return click.option(
        "--jobs", type=click.IntRange(min=1), default=2, show_default=True, help="Processes; each has one thread."
    )


@cli.command()
@processes_option()
@click.option("--network", "networks", multiple=True, help="Workload to train; may be repeated.  [default: all four]")
@click.option("--seed", "seeds", type=int, multiple=True, default=SEEDS, show_default=True)
@click.option("--pe-type", "pe_types", multiple=True, help="PE type to fine-tune for; may be repeated.  [default: all]")
@click.option("--recipe", default="standard", show_default=True)
def train(jobs: int, networks: tuple[str, ...], seeds: tuple[int, ...], pe_types: tuple[str, ...], recipe: str) -> None:
    """Train, fine-tune for each PE type, test; rows go to workloads/accuracy/measured.csv.

    What has a row is left out; killed at any moment it goes on from the last epoch.
    """
    from characterization.accuracy.networks import NETWORKS
    from characterization.accuracy.runs import plan
    from characterization.accuracy.runs import train as run

    run(plan(networks or tuple(NETWORKS), seeds, recipe, pe_types or list_pe_types()), jobs)


@cli.command()
@click.option("--recipe", default="standard", show_default=True)
def table(recipe: str) -> None:
    """Print the measured accuracies: means over seeds, error bars, differences from FP32."""
    from characterization.accuracy.rows import read_measured
    from characterization.accuracy.summary import summarize, summary_table

    click.echo(to_terminal(summary_table(summarize(read_measured(), recipe))), nl=False)


@cli.command()
@processes_option()
def supernet(jobs: int) -> None:
    """Train the shared weights of the family, then tune them for each PE type; goes on from the last epoch."""
    from characterization.accuracy.ranking import train_weights

    train_weights(jobs)


@cli.command()
@processes_option()
def score(jobs: int) -> None:
    """Score every member of the family on every PE type; rows go to workloads/accuracy/ranked.csv at the end."""
    from characterization.accuracy.ranking import score_all

    score_all(jobs)


@cli.command()
@click.argument("pairs", required=False, type=click.Path(dir_okay=False, exists=True, path_type=Path))
@processes_option()
@click.option("--seed", "seeds", type=int, multiple=True, default=(0,), show_default=True)
def alone(pairs: Path | None, jobs: int, seeds: tuple[int, ...]) -> None:
    """Train networks of the family alone, each for its PE types; rows go to workloads/accuracy/measured.csv.

    PAIRS is a CSV with the columns network and pe_type, such as the finalists.csv of a report. By default these are
    the pairs that `rank` needs: pairs.csv, drawn before there were scores, and type_pairs.csv in workloads/accuracy.
    """
    from characterization.accuracy.ranking import alone_jobs
    from characterization.accuracy.rows import PAIRS, TYPE_PAIRS, read_pairs
    from characterization.accuracy.runs import train as run

    chosen = [pair for path in ([pairs] if pairs else [PAIRS, TYPE_PAIRS]) for pair in read_pairs(path)]
    run(alone_jobs(list(dict.fromkeys(chosen)), seeds), jobs)


@cli.command()
def rank() -> None:
    """Print scores beside accuracies of pairs trained alone, and Kendall's tau; then the same for PE types."""
    from characterization.accuracy.summary import rank as compare
    from characterization.accuracy.summary import rank_table, type_table

    click.echo("\n".join(to_terminal(table) for table in (rank_table(compare()), type_table())), nl=False)


@cli.command()
@processes_option()
def demo(jobs: int) -> None:
    """Make a slice of the measured table again with another seed, in minutes; exit code 1 if it disagrees."""
    from characterization.accuracy.demo import CONFIDENCE, NETWORK, run_demo
    from characterization.accuracy.summary import percent

    found = run_demo(jobs)
    rows = tuple(
        (each.pe_type, percent(each.made), percent(each.shipped), each.seeds, percent(each.limit),
         "yes" if each.agrees else "no")
        for each in found
    )  # fmt: skip
    columns = ("PE type", "top-1 %", "shipped mean %", "seeds", "may differ by", "agrees")
    title = f"{NETWORK}, recipe demo; limit: {100 * CONFIDENCE:g} % of further seeds (Student's t)"
    click.echo(to_terminal(Table("demo", title, columns, rows)), nl=False)
    if not all(each.agrees for each in found):
        raise RunError("an accuracy lies outside the spread of the shipped rows")


def main() -> None:
    """Run the command line."""
    try:
        cli()
    except InputError as error:
        _end(error, 2)
    except RunError as error:
        _end(error, 1)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        _end("torch is missing: pip install 'dse[train]'", 2)


def _end(message: object, code: int) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
