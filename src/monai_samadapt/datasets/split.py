"""Division of a data set into training, validation and test, by subject."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import atomic_path

SECTIONS = ("training", "validation", "test")
PATH_KEYS = ("image", "label", "mask")

Item = dict[str, Any]


@dataclass(frozen=True)
class Split:
    """Items of a data set by section.

    Attributes:
        training: items with image and label.
        validation: items that select the checkpoint, with label.
        test: items for the final evaluation or for inference; they may lack a label.
        labels: label name → value or values in the label files, without background; empty when not told.
        root: the data set's folder.
        unlabelled: images that are left out, since they have no label.
    """

    training: list[Item]
    validation: list[Item]
    test: list[Item]
    labels: dict[str, int | list[int]] = field(default_factory=dict)
    root: Path = Path()
    unlabelled: tuple[str, ...] = ()

    def section(self, name: str) -> list[Item]:
        """Return the items of ``training``, ``validation`` or ``test``.

        Raises:
            SamAdaptError: for another name.
        """
        if name not in SECTIONS:
            raise SamAdaptError("section", name, "is no part of a datalist", f"give one of {list(SECTIONS)}")
        items: list[Item] = getattr(self, name)
        return items

    def counts(self) -> str:
        """The number of items of each section, as ``7 training, 1 validation, 2 test``."""
        return ", ".join(f"{len(self.section(name))} {name}" for name in SECTIONS)


def unlabelled_notes(images: Sequence[object]) -> list[str]:
    """A line about images that are left out since they have no label; nothing where there are none."""
    return [f"{len(images)} images have no label and are left out, the first {images[0]}"] if images else []


def split_by_subject(items: Sequence[Item], fractions: Sequence[float], seed: int = 0) -> list[list[Item]]:
    """Divide items into parts so that every subject is in one part only.

    The sorted subjects are shuffled with ``seed``; every part gets one subject, and the others are shared out so that
    the parts come nearest to ``fractions`` of the number of subjects (largest remainder). Items keep their order.

    Args:
        items: items with ``subject``.
        fractions: positive shares of the parts; they are divided by their sum.
        seed: seed of the shuffle.

    Returns:
        one list of items per fraction.

    Raises:
        SamAdaptError: when a fraction is not positive or there are fewer subjects than parts.
    """
    if not fractions or min(fractions) <= 0:
        raise SamAdaptError("fractions", list(fractions), "a share is not positive", "give e.g. [0.7, 0.1, 0.2]")
    subjects = sorted({str(item["subject"]) for item in items})
    if len(subjects) < len(fractions):
        problem = f"too few subjects to divide into {len(fractions)} parts"
        raise SamAdaptError("subjects", len(subjects), problem, "add cases, or list every section in the datalist")
    random.Random(seed).shuffle(subjects)
    part_of: dict[str, int] = {}
    first = 0
    for part, count in enumerate(_counts(len(subjects), fractions)):
        part_of.update(dict.fromkeys(subjects[first : first + count], part))
        first += count
    return [[item for item in items if part_of[str(item["subject"])] == part] for part in range(len(fractions))]


def _counts(total: int, fractions: Sequence[float]) -> list[int]:
    """Share ``total`` out: one each, the rest by largest remainder of the wanted counts."""
    wanted = [total * fraction / sum(fractions) for fraction in fractions]
    counts = [max(1, int(value)) for value in wanted]
    while sum(counts) != total:
        step = 1 if sum(counts) < total else -1
        open_parts = [part for part, count in enumerate(counts) if step > 0 or count > 1]
        part = max(open_parts, key=lambda index: step * (wanted[index] - counts[index]))
        counts[part] += step
    return counts


def check_subjects(split: Split) -> None:
    """Check that no subject is in two sections.

    Raises:
        SamAdaptError: naming the subject and both sections.
    """
    section_of: dict[str, str] = {}
    for section in SECTIONS:
        for item in split.section(section):
            first = section_of.setdefault(str(item["subject"]), section)
            if first != section:
                problem = f"is in {first} and in {section}"
                raise SamAdaptError("subject", item["subject"], problem, "keep all images of a subject in one section")


def write_split(split: Split, path: str | os.PathLike[str], keep_root: bool = False) -> Path:
    """Write a split as datalist JSON, which ``read_split(split.root, path)`` reads back.

    Paths inside the data set's folder are written relative to it; with ``keep_root`` the folder is written as ``root``.

    Raises:
        SamAdaptError: when ``path`` lies directly in the data set's folder: source data is never changed.
    """
    target = Path(path)
    if target.resolve().parent == split.root.resolve():
        problem = "lies in the data set's folder, which is never written to"
        raise SamAdaptError("path", str(target), problem, "give a path in the output folder")
    sections = {name: [_relative(item, split.root) for item in split.section(name)] for name in SECTIONS}
    content = {"labels": split.labels, **({"root": str(split.root)} if keep_root else {}), **sections}
    with atomic_path(target) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return target


def _relative(item: Item, root: Path) -> Item:
    result = dict(item)
    for key in PATH_KEYS:
        path = Path(item[key]) if key in item else None
        if path is not None and path.is_relative_to(root):
            result[key] = path.relative_to(root).as_posix()
    return result
