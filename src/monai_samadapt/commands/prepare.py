"""``samadapt prepare``: turn a public data set, or data of your own, into a datalist."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from monai_samadapt.bundle_folders import bundles_folder
from monai_samadapt.datasets.public import OWN, OWN_TEXT, SETS, Own, Prepared, PublicSet, check_folders, prepare
from monai_samadapt.engines.lock import locked
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.transforms.chains import CHAINS


def register(commands: Any) -> None:
    """Add the arguments."""
    parser = commands.add_parser("prepare", help=__doc__)
    parser.add_argument("name", nargs="?", help="data set; see --list")
    parser.add_argument("source", nargs="?", type=Path, help="folder of the unpacked download")
    parser.add_argument("--list", action="store_true", help="print all data sets with their licences")
    parser.add_argument("--output", type=Path, help="by default prepared/NAME, of own data prepared/FOLDER")
    parser.add_argument("--seed", type=int, default=0, help="of a division that is drawn")
    own = parser.add_argument_group("data of your own, with the name folders")
    own.add_argument("--images", help="sub-folder, or a pattern with one *, as */CT.nii.gz; by default images")
    own.add_argument("--masks", help="the same for the labels; by default labels, masks, annotations or segmentations")
    own.add_argument("--labels", nargs="+", default=(), help="NAME, or NAME=VALUE,VALUE each, or a JSON file")
    own.add_argument("--modality", choices=CHAINS, help="by default ct or mri for volumes, image2d for pictures")
    own.add_argument("--subject", help="pattern whose group in an image's path is the subject, as 'patient(.+)/'")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """List the data sets, or prepare one and print what it is and how to train on it."""
    if options.list:
        print(table())
        return
    if options.name not in (*SETS, *OWN) or options.source is None:
        remedy = f"give one of {', '.join((*SETS, *OWN))}, and its folder"
        raise SamAdaptError("name", options.name, "no known data set, or no source", remedy)
    source = options.source.resolve()
    default = Path("prepared") / (source.name if options.name in OWN else options.name)
    output = (options.output or default).resolve()
    check_folders(source, output)
    entry = described(options, source)
    with locked(output, "output", "prepare"):
        prepared = prepare(entry, source, output, options.seed)
    print(description(entry, prepared, f"runs/{output.name}"))


def described(options: argparse.Namespace, source: Path) -> PublicSet:
    """The set of that name, or what is found of one's own data."""
    keys = ("images", "masks", "labels", "modality", "subject")
    given = {key: getattr(options, key) for key in keys if getattr(options, key)}
    if options.name == "folders":
        return Own(**given).describe(source)
    for key, value in given.items():
        raise SamAdaptError(key, value, f"is not for {options.name}", "leave it out, or give the name folders")
    return OWN[options.name](source) if options.name in OWN else SETS[options.name]


def table() -> str:
    """Name, licence and target of all sets, in columns."""
    own = [(name, "yours to know", text) for name, text in OWN_TEXT.items()]
    rows = [("name", "licence", "what"), *((entry.name, entry.licence, entry.target) for entry in SETS.values()), *own]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join(f"{row[0].ljust(widths[0])}  {row[1].ljust(widths[1])}  {row[2]}" for row in rows)


def description(entry: PublicSet, prepared: Prepared, output_dir: str) -> str:
    """What the set is, how it was divided, what was written, and how to train on it."""
    labels = ", ".join(f"{name} = {value}" for name, value in prepared.split.labels.items())
    lines = [
        f"{entry.title}: {entry.target}",
        f"  page      {entry.home}",
        f"  licence   {entry.licence}",
        f"  cite      {entry.citation}",
        f"  split     {entry.split}",
        f"            {prepared.split.counts()}",
        f"  labels    {labels if len(labels) < 400 else ', '.join(prepared.split.labels)}",
        *(f"  note      {note}" for note in prepared.notes),
        f"wrote {prepared.datalist}, {prepared.overlay} and {prepared.made} made files",
        "train with",
        *(f"  {command}" for command in training_commands(prepared, output_dir)),
    ]
    return "\n".join(lines)


def quoted(files: list[str]) -> str:
    """A list of files as ``monai.bundle`` takes it, for the shell; as in the README where no sign needs more."""
    plain = f'"[{",".join(repr(file) for file in files)}]"'
    return shlex.quote(str(files)) if any(sign in plain[1:-1] for sign in '"$`\\!') else plain


def training_commands(prepared: Prepared, output_dir: str) -> list[str]:
    """The training command of each bundle."""
    return [
        f"python -m monai.bundle run --bundle_root {shlex.quote(str(bundle))} "
        f"--config_file {quoted([f'{bundle}/configs/train.json', str(prepared.overlay)])} "
        f"--dataset_dir {shlex.quote(str(prepared.datalist.parent))} "
        f"--output_dir {shlex.quote(f'{output_dir}_{bundle.name}')}"
        for bundle in sorted(bundles_folder().iterdir())
        if (bundle / "configs" / "train.json").is_file()
    ]
