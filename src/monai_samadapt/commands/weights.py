"""``samadapt weights``: list the base weights, or fetch one."""

from __future__ import annotations

import argparse
from typing import Any

from monai_samadapt.backbones.registry import REGISTRY
from monai_samadapt.backbones.resolve import resolve_checkpoint


def register(commands: Any) -> None:
    """Add the arguments."""
    parser = commands.add_parser("weights", help=__doc__)
    parser.add_argument("name", nargs="?", help="weights to fetch and verify")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print the table, or the path of the fetched file."""
    print(options)
    print(REGISTRY, resolve_checkpoint)
