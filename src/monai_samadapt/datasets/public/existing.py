"""Cases of a set whose reader divides it already."""

from __future__ import annotations

from pathlib import Path

from monai_samadapt.datasets.public.describe import Case, Found, LabelValues, Source
from monai_samadapt.datasets.public.pictures import binary
from monai_samadapt.datasets.scan import image_stem
from monai_samadapt.datasets.split import SECTIONS, Item, Split


def from_split(split: Split, labels: LabelValues, sections: bool = True) -> Found:
    """The cases of a split.

    Args:
        split: as a reader gives it.
        labels: name → value or values.
        sections: keep its division; else it is drawn anew.
    """
    cases = [_case(item, name if sections else None) for name in SECTIONS for item in split.section(name)]
    return Found(cases, split.root, labels)


def _case(item: Item, section: str | None) -> Case:
    image = Path(item["image"])
    other: Source | None = binary(Path(item["second_observer"])) if "second_observer" in item else None
    label = Path(item["label"]) if "label" in item else None
    mask = Path(item["mask"]) if "mask" in item else None
    return Case(image_stem(image), image, label, str(item["subject"]), section, mask, other)
