"""CHASE_DB1: retinal vessels of children, both eyes of each subject, by two observers (Owen et al., 2009)."""

from __future__ import annotations

import re
from pathlib import Path

from monai_samadapt.datasets.split import Item, Split
from monai_samadapt.errors import SamAdaptError

NAME = re.compile(r"Image_(\d\d)[LR]\.jpg")
TRAINING_SUBJECTS = 10
SAMPLE_TRAINING_SUBJECTS = 7


def read_chase_db1(source: Path) -> Split:
    """Read the folder with ``Image_01L.jpg``, ``Image_01L_1stHO.png``, ``Image_01L_2ndHO.png`` and so on.

    The complete set has 14 subjects, 28 images: subjects 01 to 10 train, 11 to 14 test, as published (20 / 8). Of a
    part with subjects 01 to 10 only, 01 to 07 train and 08 to 10 test. The last training subject validates. ``label``
    is the first observer; ``second_observer``, a path, the second, where the file is there.

    Args:
        source: the folder.

    Returns:
        The split; a subject is ``01`` to ``14``.

    Raises:
        SamAdaptError: when the folder holds no such images, a first observer's file is missing, or a part is empty.
    """
    items = [_item(path, match[1]) for path in sorted(source.glob("*.jpg")) if (match := NAME.fullmatch(path.name))]
    subjects = sorted({item["subject"] for item in items})
    complete = any(int(subject) > TRAINING_SUBJECTS for subject in subjects)
    last = TRAINING_SUBJECTS if complete else SAMPLE_TRAINING_SUBJECTS
    trained, tested = ([subject for subject in subjects if (int(subject) <= last) is part] for part in (True, False))
    if len(trained) < 2 or not tested:
        problem = f"has subjects {subjects}: training, validation or test would be empty"
        raise SamAdaptError("source", str(source), problem, "give the folder with Image_01L.jpg and the others")
    parts = [trained[:-1], trained[-1:], tested]
    training, validation, test = ([item for item in items if item["subject"] in part] for part in parts)
    return Split(training, validation, test, {"Vessel": 1}, source)


def _item(image: Path, subject: str) -> Item:
    first, second = (image.with_name(f"{image.stem}_{observer}HO.png") for observer in ("1st", "2nd"))
    if not first.is_file():
        raise SamAdaptError("label", str(first), "no such file", "give the complete folder of CHASE_DB1")
    item = {"image": str(image), "label": str(first), "subject": subject}
    return item | ({"second_observer": str(second)} if second.is_file() else {})
