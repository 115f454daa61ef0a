"""Turn a download into a datalist, the settings that go with it, and the files that had to be made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from monai_samadapt.datasets.public.describe import Case, Found, LabelValues, PublicSet, Source
from monai_samadapt.datasets.public.divide import divide
from monai_samadapt.datasets.split import SECTIONS, Item, Split, check_subjects, write_split
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import atomic_path, remove_leftovers

DATALIST, SETTINGS = "datalist.json", "settings.json"
MADE = {"image": "made_images", "label": "made_labels", "mask": "made_masks", "second_observer": "made_second_observer"}


@dataclass(frozen=True)
class Prepared:
    """What was written.

    Attributes:
        split: the datalist.
        settings: the ids to set, as an overlay of a bundle's configuration.
        datalist, overlay: the files of both.
        made: number of files that had to be made.
        notes: one line each.
    """

    split: Split
    settings: Mapping[str, Any]
    datalist: Path
    overlay: Path
    made: int
    notes: Sequence[str]


def prepare(entry: PublicSet, source: Path, output: Path, seed: int = 0) -> Prepared:
    """Find the cases of a set, divide them, make what has to be made, and write the datalist and the settings.

    Images and labels are used where they lie, if they can be read as they are; others are made in folders of
    ``output``. The source is never changed.

    Args:
        entry: description of the set.
        source: folder of the unpacked download.
        output: folder to write to, outside of ``source``.
        seed: of what is drawn.

    Raises:
        SamAdaptError: when a file is missing, extra, unreadable or of another image's size.
    """
    source, output = source.resolve(), output.resolve()
    check_folders(source, output)
    found = entry.read(source)
    _check_names(found.cases)
    parts = divide(found.cases, entry.shares, seed)
    writer = _Writer(output)
    with tqdm(total=len(found.cases), unit="image", disable=None, leave=False) as bar:
        items = {name: [writer.item(case, bar) for case in parts[name]] for name in SECTIONS}
    labels = {name: value if isinstance(value, int) else list(value) for name, value in found.labels.items()}
    split = Split(items["training"], items["validation"], items["test"], labels, found.root)
    check_subjects(split)
    datalist = write_split(split, output / DATALIST, keep_root=True)
    settings = _settings(entry, found)
    with atomic_path(output / SETTINGS) as temporary:
        temporary.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    return Prepared(split, settings, datalist, output / SETTINGS, writer.made, [*found.notes, *_count(entry, found)])


class _Writer:
    """Makes items of cases, and the files that they need."""

    def __init__(self, output: Path) -> None:
        self.output, self.made = output, 0
        for folder in MADE.values():
            if (output / folder).is_dir():
                remove_leftovers(output / folder)

    def item(self, case: Case, bar: Any) -> Item:
        files = {key: getattr(case, key) for key in MADE}
        item = {key: self._path(key, case.name, file) for key, file in files.items() if file is not None}
        bar.update()
        return {**item, "subject": case.subject, **case.more}

    def _path(self, key: str, name: str, file: Source) -> str:
        """The path of a file in use; relative to the datalist of one that was made."""
        if isinstance(file, Path):
            return str(file)
        target = self.output / MADE[key] / f"{name}{file.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        file.make(target)
        self.made += 1
        return target.relative_to(self.output).as_posix() if key != "second_observer" else str(target)


def label_setting(labels: LabelValues) -> list[str] | dict[str, Any]:
    """The id ``labels``: a single label by its name, which stands for 1 and for 255; several with their values."""
    plain = {name: value if isinstance(value, int) else list(value) for name, value in labels.items()}
    single = next(iter(plain.values())) if len(plain) == 1 else None
    return list(plain) if single in (1, 255, [1, 255]) else plain


def _settings(entry: PublicSet, found: Found) -> dict[str, Any]:
    basic = {"modality": entry.modality, "labels": label_setting(found.labels), "nested": False, "window": None}
    window = {"window": [-160, 240]} if entry.modality == "ct" else {}
    return {**basic, **window, **entry.settings, **found.settings}


def _count(entry: PublicSet, found: Found) -> list[str]:
    count = len(found.cases)
    if entry.count in (None, count):
        return []
    return [f"warning: {count} images were found, {entry.count} were published: is the download complete?"]


def check_folders(source: Path, output: Path) -> None:
    """Check the folders before anything is read.

    Raises:
        SamAdaptError: when the source is none, the output lies in it, or a path has a ``#``.
    """
    if not source.is_dir():
        raise SamAdaptError("source", str(source), "no such folder", "give the folder of the unpacked download")
    if output.is_relative_to(source):
        problem = "lies in the source, which is never written to"
        raise SamAdaptError("output", str(output), problem, "give --output a folder elsewhere")
    for key, path in (("source", source), ("output", output)):
        if "#" in str(path):
            problem = "MONAI's configuration reads '#' as '::'"
            raise SamAdaptError(key, str(path), problem, "rename the folder so that it has no '#'")


def _check_names(cases: Sequence[Case]) -> None:
    seen: dict[str, Case] = {}
    for case in cases:
        if case.name in seen:
            problem = f"has the name {case.name} of {seen[case.name].image}"
            raise SamAdaptError("image", str(case.image), problem, "remove one of the two")
        seen[case.name] = case
