"""``samadapt weights``: list the base weights, or fetch one."""

from __future__ import annotations

import argparse
from typing import Any

from monai_samadapt.backbones.download import fetch, local_path
from monai_samadapt.backbones.registry import REGISTRY, WeightsEntry
from monai_samadapt.errors import SamAdaptError

HEADER = ("name", "variant", "size", "licence", "where")


def register(commands: Any) -> None:
    """Add the arguments."""
    parser = commands.add_parser("weights", help=__doc__)
    parser.add_argument("name", nargs="?", help="weights to fetch and verify")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print the table of all weights, or fetch and verify one and print its path and SHA-256."""
    if options.name is None:
        print(weights_table())
        return
    if options.name not in REGISTRY:
        raise SamAdaptError("name", options.name, "no such weights", f"choose one of {', '.join(REGISTRY)}")
    path, digest = fetch(REGISTRY[options.name])
    print(f"{path}\nSHA-256 {digest}")


def weights_table() -> str:
    """Name, variant, size, licence and place of all weights, in columns."""
    rows = [HEADER, *(_row(entry) for entry in REGISTRY.values())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _row(entry: WeightsEntry) -> tuple[str, str, str, str, str]:
    size = "unknown" if entry.size is None else f"{entry.size / 1e6:.0f} MB"
    path = local_path(entry)
    where = "embedded" if entry.embedded else str(path) if path.is_file() else str(entry.url)
    return entry.name, entry.variant, size, entry.licence, where
