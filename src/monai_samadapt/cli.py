"""The command ``samadapt``: what ``monai.bundle`` does not do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from monai_samadapt import __version__
from monai_samadapt.commands import (
    bundles,
    compare,
    demo,
    doctor,
    embed_labels,
    merge,
    pack,
    prepare,
    register,
    report,
    serve,
    weights,
)
from monai_samadapt.errors import find_error

COMMANDS = (demo, doctor, weights, bundles, prepare, embed_labels, compare, report, merge, register, pack, serve)


def parser() -> argparse.ArgumentParser:
    """The argument parser with one sub-parser a command."""
    top = argparse.ArgumentParser("samadapt", description=__doc__)
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(required=True, metavar="command")
    for module in COMMANDS:
        module.register(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; wrong settings and files end in one line on standard error and exit status 1."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except Exception as error:
        found = find_error(error)
        if found is None:
            raise
        print(found, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
