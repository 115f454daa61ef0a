"""``samadapt pack``: turn a training run, or an untrained base, into a bundle that needs no other file."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_samadapt.bundle_folders import find_bundle
from monai_samadapt.commands.values import value_of
from monai_samadapt.errors import SamAdaptError


def register(commands: Any) -> None:
    """Add the arguments."""
    parser = commands.add_parser("pack", help=__doc__)
    parser.add_argument("output_dir", nargs="?", type=Path, help="folder of a training run")
    parser.add_argument("--bundle", help="pack the untrained base of this bundle instead")
    parser.add_argument("--to", type=Path, help="new folder or .zip; by default beside the run, its name with _bundle")
    parser.add_argument("--with-report", action="store_true", help="also report.html, which shows pictures of cases")
    add_settings(parser)
    parser.set_defaults(run=run)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that describe an untrained base."""
    parser.add_argument(
        "--overlay", action="append", default=[], help="with a bundle's name: ct, mri, image2d, … or a JSON file"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="ID=VALUE",
        help="value of an id, e.g. --set \"labels=['Liver','Tumor']\" --set variant=vit_l; may be repeated",
    )


def run(options: argparse.Namespace) -> None:
    """Pack, and print where."""
    from monai_samadapt.packing import pack_base, pack_run

    if (options.output_dir is None) == (options.bundle is None):
        remedy = "give the folder of a run, or --bundle NAME"
        raise SamAdaptError("output_dir", str(options.output_dir), "is not the only thing to pack", remedy)
    ids = parse_settings(options.set)
    if options.bundle is not None:
        if options.with_report:
            raise SamAdaptError("with_report", options.bundle, "was never evaluated", "leave it out")
        if options.to is None:
            raise SamAdaptError("to", None, "is missing", "give the folder to write")
        target = options.to
        spec = pack_base(find_bundle(options.bundle), options.overlay, target, ids)
    else:
        if options.overlay:
            remedy = "leave it out: a run has its own"
            raise SamAdaptError("overlay", options.overlay[0], "is for an untrained base", remedy)
        target = options.to or default_target(options.output_dir)
        spec = pack_run(options.output_dir, source_of(options.output_dir), target, ids, options.with_report)
    serve = f"samadapt serve --bundle {shlex.quote(str(target))}"
    print(f"wrote {target}: {', '.join(spec.label_spec.names)}; serve it by {serve}")


def default_target(run_dir: Path) -> Path:
    """The folder beside a run."""
    run_dir = run_dir.resolve()
    return run_dir.with_name(f"{run_dir.name}_bundle")


def source_of(run_dir: Path) -> Path:
    """The bundle folder of a run's method."""
    from monai_samadapt.engines.artefacts import read_description

    return find_bundle(str(read_description(run_dir)["method"]).lower())


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Read ``ID=VALUE``, see `value_of`.

    Raises:
        SamAdaptError: for one without ``=``.
    """
    found = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise SamAdaptError("set", setting, "has no value", "give ID=VALUE")
        found[key] = value_of(value)
    return found
