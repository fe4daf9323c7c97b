"""Time other tools and this one on the same network and the nearest accelerator that each supports.

    python -m benchmarks.peers                         # every peer: an hour or so
    python -m benchmarks.peers --only zigzag --only ours --network alexnet
    python -m benchmarks.peers --page results/peers.json     # docs/peers.md again, from measurements that are there

Each peer is installed from the package index into an environment of its own under the user's cache folder, and runs
in processes of their own, one after the other. A peer that cannot be installed or run is a row with the reason.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.peers._machine import machine
from benchmarks.peers._measure import ROOT, Task, measure
from benchmarks.peers._network import least, list_networks, network_path, plain_layers
from benchmarks.peers._page import page, published
from benchmarks.peers._peer import list_peers, load_peer
from dse.errors import InputError
from workloads.loader import load_workload

PAGE = ROOT / "docs" / "peers.md"
PES = 12 * 14


def main() -> int:
    """Measure, write the results and the page; returns the exit code."""
    options = _options()
    if options.page:
        _write(options.markdown, page(json.loads(options.page.read_text(encoding="utf-8"))))
        return 0
    try:
        found = _measure_all(options)
    except InputError as error:
        _say(f"error: {error}")
        return 2
    _write(options.markdown, page(found))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=list_peers(), help="only this peer; repeatable")
    parser.add_argument("--network", default="resnet18", choices=list_networks())
    parser.add_argument("--repeat", type=int, default=3, help="runs of each variant, fewer where the limit is near")
    parser.add_argument("--limit", type=float, default=900, metavar="S", help="seconds for all runs of a variant")
    parser.add_argument("-o", "--out", type=Path, default=Path("results") / "peers.json", help="file of the results")
    parser.add_argument("--markdown", type=Path, default=PAGE, help="file of the page")
    parser.add_argument("--page", type=Path, metavar="RESULTS", help="only write the page from these results")
    options = parser.parse_args()
    if options.repeat < 1 or not options.limit > 0:
        parser.error("--repeat and --limit must be positive")
    return options


def _measure_all(options: argparse.Namespace) -> dict[str, Any]:
    path = network_path(options.network)
    workload = load_workload(path)
    layers = plain_layers(workload)
    task = Task(path, layers, options.limit, options.repeat)
    started = {"date": datetime.now(timezone.utc).isoformat(timespec="seconds"), "machine": machine()}
    peers = [load_peer(name) for name in options.only or list_peers()]
    about = {
        peer.name: {name: getattr(peer, name) for name in ("title", "computes", "searches", "configured", "remark")}
        for peer in peers
    }
    requirements = {peer.name: list(peer.requirements) for peer in peers}
    rows: list[dict[str, Any]] = []
    found = {
        **started,
        "network": {"name": options.network, "macs": workload.macs, "shapes": len(layers),
                    "layers": sum(layer["count"] for layer in layers), "least": least(workload, PES)},
        "limit_s": options.limit, "repeat": options.repeat, "rows": rows, "peers": about,
        "requirements": requirements, "published": published(),
    }  # fmt: skip
    for peer in peers:
        for variant, words in peer.variants.items():
            rows.append({"title": peer.title, "does": words, **measure(peer, variant, task, _say)})
            _say(f"{peer.name} {variant}: {rows[-1]['status']} {rows[-1]['reason']}")
            _write(options.out, json.dumps(found, indent=1) + "\n")  # after each: a run takes an hour
    return found


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    _say(f"wrote {path}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
