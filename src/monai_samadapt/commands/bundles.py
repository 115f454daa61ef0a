"""``samadapt bundles``: list the bundles, or copy one to a folder of your own."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from monai_samadapt.bundle_folders import bundles_folder, find_bundle
from monai_samadapt.errors import SamAdaptError


def register(commands: Any) -> None:
    """Add the arguments."""
    parser = commands.add_parser("bundles", help=__doc__)
    parser.add_argument("name", nargs="?", help="bundle to copy")
    parser.add_argument("folder", nargs="?", type=Path, help="where to copy it to; must not exist")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """List all bundles, or copy one."""
    if options.name is None:
        for path in sorted(bundles_folder().iterdir()):
            metadata = json.loads((path / "configs" / "metadata.json").read_text())
            print(f"{path.name}  {metadata['version']}  {path}\n    {metadata['description']}")
        return
    if options.folder is None or options.folder.exists():
        raise SamAdaptError("folder", str(options.folder), "missing or already there", "give the name of a new folder")
    shutil.copytree(find_bundle(options.name), options.folder)
    print(f"copied to {options.folder}")
