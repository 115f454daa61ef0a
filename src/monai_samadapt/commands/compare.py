"""``samadapt compare``: methods on the same folds of your data, with tables, tests and a plot."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from monai_samadapt.commands.values import value_of
from monai_samadapt.errors import SamAdaptError

METHODS = ("s_sam", "sam2_lora", "balr_sam", "unet")
IDS = (
    *("image_size", "max_epochs", "batch_size", "samples_per_volume", "val_interval", "learning_rate", "labels"),
    *("window", "spacing", "prompt_modes", "device", "num_workers", "cache_rate"),
)
"""Ids of all methods that have an option of their own; the others are given by ``--set``."""


def register(commands: Any) -> None:
    """Add the arguments."""
    parser = commands.add_parser("compare", help=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder of the comparison; the same one goes on")
    parser.add_argument("--study", type=Path, help="JSON file with sets, methods and settings; options come on top")
    parser.add_argument(
        "--dataset_dir", action="append", default=[], help="folder of a data set; repeat it for several"
    )
    parser.add_argument("--datalist", action="append", default=[], help="datalist of a data set; repeat it for several")
    parser.add_argument(
        "--overlay", help="ct, mri, image2d (the default), fundus_vessel, fundus_disc, …, or a JSON file"
    )
    parser.add_argument(
        "--methods", nargs="+", help=f"columns, by default {' '.join(METHODS)}; also full_sam full_sam2"
    )
    parser.add_argument("--folds", type=int, help="of the cross-validation by subject, by default 3; 1: the own split")
    parser.add_argument("--seed", type=int, help="of folds and trainings, by default 0")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--pooled", action="store_true", help="one training on all data sets, a table for each")
    modes.add_argument("--leave_one_out", action="store_true", help="test each data set on a training on the others")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="[METHOD.]ID=VALUE", dest="settings")
    for name in IDS:
        parser.add_argument(f"--{name}", metavar="VALUE", help=argparse.SUPPRESS)
    parser.add_argument("--tracking_uri", help="MLflow server or database, or off; by default mlflow.db in the output")
    parser.add_argument("--experiment", default="monai_samadapt", help="name of the MLflow experiment")
    parser.epilog = f"Of all methods also: {' '.join(f'--{name}' for name in IDS)}."
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run the comparison, and print its tables."""
    from monai_samadapt.compare import compare

    report = compare(make_study(options), options.output, options.tracking_uri, options.experiment)
    print(f"\n{report.plain()}\n\nReport: {options.output}/report.html; the same in compare.md, .png, .csv, .json")
    if any(note.startswith("Not finished") for note in report.notes):
        raise SamAdaptError(
            "output", str(options.output), "not all cells finished", "see above; the same command goes on"
        )


def make_study(options: argparse.Namespace) -> Any:
    """The study of a file and of the options, which replace what the file says."""
    from monai_samadapt.compare import read_study
    from monai_samadapt.compare.study import Study

    base = read_study(options.study) if options.study else None
    sets = data_sets(options.dataset_dir, options.datalist, options.overlay or "image2d")
    if base and not sets:
        own_overlay: dict[str, Any] = {"overlay": overlay_path(options.overlay)} if options.overlay else {}
        sets = {name: replace(data, **own_overlay) for name, data in base.sets.items()}
    methods = dict.fromkeys(options.methods or (base.methods if base else ()) or METHODS)
    own: dict[str, dict[str, Any]] = {name: dict(base.methods.get(name, {})) if base else {} for name in methods}
    ids = {
        **(base.ids if base else {}),
        **{name: value_of(getattr(options, name)) for name in IDS if getattr(options, name)},
    }
    for text in options.settings:
        method, key, value = parse_setting(text, list(own))
        (ids if method is None else own[method])[key] = value
    mode = (
        "pooled" if options.pooled else "leave_one_out" if options.leave_one_out else base.mode if base else "separate"
    )
    folds = options.folds if options.folds is not None else base.folds if base else 3
    seed = options.seed if options.seed is not None else base.seed if base else 0
    return Study(sets, own, mode, folds, seed, ids)


def overlay_path(overlay: str) -> str:
    """A name as it is, a file by its full path."""
    return str(Path(overlay).resolve()) if overlay.endswith(".json") else overlay


def data_sets(folders: Sequence[str], datalists: Sequence[str], overlay: str) -> dict[str, Any]:
    """Data sets by name: the datalist's own, or where that says nothing its folder's.

    Raises:
        SamAdaptError: when folders and datalists cannot be matched, or two sets have one name.
    """
    from monai_samadapt.compare import DataSet

    if len(folders) > 1 and len(datalists) not in (0, len(folders)):
        problem = f"{len(datalists)} datalists for {len(folders)} folders"
        raise SamAdaptError("datalist", list(datalists), problem, "give one for each, or one folder for all")
    lists: list[str | None] = [*datalists] or [None] * len(folders)
    roots = [*folders] if len(folders) == len(lists) else [*folders] * len(lists)
    overlay = overlay_path(overlay)
    found: dict[str, Any] = {}
    for index, datalist in enumerate(lists):
        root = roots[index] if roots else str(Path(str(datalist)).resolve().parent)
        # a name given on the command line is relative to where that is, as long as there is such a file
        path = str(Path(datalist).resolve()) if datalist and Path(datalist).is_file() else datalist
        name = set_name(path or root)
        if name in found:
            raise SamAdaptError("datalist", path or root, f"has the name {name} of another", "rename the file")
        found[name] = DataSet(str(Path(root).resolve()), path, overlay)
    return found


def set_name(path: str) -> str:
    """The name of a file without suffix, or of its folder when it is called datalist or dataset."""
    place = Path(path).resolve()
    name = place.parent.name if place.stem in ("datalist", "dataset") else place.stem
    return "".join(sign if sign.isalnum() or sign in "_-." else "_" for sign in name)


def parse_setting(text: str, methods: Sequence[str]) -> tuple[str | None, str, Any]:
    """``METHOD.ID=VALUE`` or ``ID=VALUE`` as method, id and value.

    Raises:
        SamAdaptError: when it is neither.
    """
    key, sign, value = text.partition("=")
    method, point, name = key.rpartition(".")
    if not sign or not name:
        raise SamAdaptError("set", text, "is no setting", "give ID=VALUE or METHOD.ID=VALUE")
    if point and method not in methods:
        raise SamAdaptError("set", text, f"{method} is not compared", f"give one of {', '.join(methods)}")
    return (method if point else None), name, value_of(value)
