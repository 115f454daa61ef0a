"""The command ``samadapt``: what ``monai.bundle`` does not do."""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from monai_samadapt import __version__
from monai_samadapt.errors import SamAdaptError, find_error

COMMANDS = (
    "demo",
    "doctor",
    "weights",
    "bundles",
    "prepare",
    "embed-labels",
    "compare",
    "report",
    "merge",
    "register",
    "pack",
    "serve",
)


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """The argument parser with one sub-parser a command.

    Args:
        command: only this one is imported and gets its arguments, as most import MONAI, which takes seconds; all by
            default.
    """
    top = argparse.ArgumentParser("samadapt", description=__doc__)
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(required=True, metavar="command")
    for name in COMMANDS:
        module = name.replace("-", "_")
        if command in (None, name):
            import_module(f"monai_samadapt.commands.{module}").register(commands)
        else:
            commands.add_parser(name, help=_summary(module))
    return top


def _summary(module: str) -> str | None:
    """The docstring of a command's module, without importing it."""
    source = Path(__file__).parent / "commands" / f"{module}.py"
    return ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; wrong settings and files end in one line on standard error and exit status 1."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = parser(arguments[0] if arguments else "").parse_args(arguments)
    try:
        options.run(options)
    except Exception as error:
        found = find_error(error) or _of_file(error)
        if found is None:
            raise
        print(found, file=sys.stderr)
        return 1
    return 0


def _of_file(error: Exception) -> SamAdaptError | None:
    """What the system says about a file."""
    if not isinstance(error, OSError) or error.filename is None:
        return None
    return SamAdaptError("file", str(error.filename), str(error.strerror), "give one that can be read and written")


if __name__ == "__main__":
    sys.exit(main())
