"""Data with a ``dataset.json``: the Medical Segmentation Decathlon, and nnU-Net's raw format (versions 1 and 2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_samadapt.datasets.datalist import check_files
from monai_samadapt.datasets.decathlon import label_values, load_json, section_items
from monai_samadapt.datasets.public.describe import Case, Found, PublicSet
from monai_samadapt.datasets.public.find import find_root, in_folder, pairs
from monai_samadapt.datasets.public.outlines import load_json as load_object
from monai_samadapt.datasets.public.scans import modality_of
from monai_samadapt.datasets.scan import image_stem, list_images
from monai_samadapt.datasets.split import SECTIONS, Item
from monai_samadapt.errors import SamAdaptError

FILE = "dataset.json"


def describe_decathlon(source: Path) -> PublicSet:
    """The set that a Decathlon-style ``dataset.json`` lists."""
    root = find_root(source, FILE)
    content = load_json(root / FILE)
    items = {name: section_items(content, name, root / FILE, root) for name in SECTIONS}
    for item in (item for part in items.values() for item in part):
        check_files(item)
    _check_extra(root, items["training"])
    labelled = {name: [item for item in part if "label" in item] for name, part in items.items()}
    given = bool(labelled["validation"] or labelled["test"])
    notes = []
    if (count := len(items["test"]) - len(labelled["test"])) and not given:
        notes.append(f"{count} test images have no published label and are left out")
    cases = [_case(item, name if given else None) for name in SECTIONS for item in labelled[name]]
    return _described(content, Found(cases, root, label_values(content.get("labels", {}), root / FILE), notes), given)


def describe_nnunet(source: Path) -> PublicSet:
    """The set in ``imagesTr/CASE_0000.nii.gz`` and ``labelsTr/CASE.nii.gz``, and ``imagesTs``, ``labelsTs``.

    Raises:
        SamAdaptError: when a case has more channels than one, a file is missing or extra, or labels are ``ignore``.
    """
    root = find_root(source, FILE, "imagesTr", "labelsTr")
    content = load_object(root / FILE)
    ending = str(content.get("file_ending", ".nii.gz"))
    labels = label_values(content.get("labels", {}), root / FILE)
    if "ignore" in labels:
        raise SamAdaptError("labels", "ignore", f"cannot be trained around, in {root / FILE}", "make it background")
    given = (root / "labelsTs").is_dir()
    parts = {"training": "Tr", "test": "Ts"} if given else {"training": "Tr"}
    cases = []
    for section, part in parts.items():
        images = _one_channel(root / f"images{part}", ending)
        masks = in_folder(root / f"labels{part}", rf"(.+){re.escape(ending)}", (Path(ending).suffix,))
        cases += [
            Case(key, image, label, key, section if given else None) for key, image, label in pairs(images, masks)
        ]
    notes = [] if given or not (root / "imagesTs").is_dir() else ["imagesTs has no labels and is left out"]
    return _described(content, Found(cases, root, labels, notes), given)


def _one_channel(folder: Path, ending: str) -> dict[str, Path]:
    images = in_folder(folder, rf"(.+_\d{{4}}){re.escape(ending)}", (Path(ending).suffix,))
    for key, path in images.items():
        if not key.endswith("_0000"):
            problem = "is a further channel: the networks take one channel, or red, green, blue in one picture"
            raise SamAdaptError("image", str(path), problem, "keep one channel of each case in a copy of the data")
    return {key[:-5]: path for key, path in images.items()}


def _check_extra(root: Path, items: list[Item]) -> None:
    if (root / "labelsTr").is_dir():
        listed = {item.get("label") for item in items}
        for path in list_images(root / "labelsTr"):
            if str(path) not in listed:
                problem = f"is not in {root / FILE}"
                raise SamAdaptError("label", str(path), problem, "list it with its image, or move it elsewhere")


def _case(item: Item, section: str | None) -> Case:
    mask = Path(item["mask"]) if "mask" in item else None
    image = Path(item["image"])
    return Case(image_stem(image), image, Path(item["label"]), item["subject"], section, mask)


def _described(content: Mapping[str, Any], found: Found, given: bool) -> PublicSet:
    if not found.cases or not found.labels:
        problem = f"lists {len(found.cases)} labelled images and {len(found.labels)} labels"
        raise SamAdaptError("source", str(found.root / FILE), problem, "list both")
    return PublicSet(
        name="decathlon",
        title=str(content.get("name", found.root.name)),
        target=str(content.get("description", "")) or "as its labels say",
        home=str(content.get("reference", "")) or "not told",
        licence=str(content.get("licence", content.get("license", ""))) or "not told",
        citation=str(content.get("reference", "")) or "not told",
        split="as given; without validation, a fifth of the training subjects" if given else "seeded, 70 : 10 : 20",
        encoding="integer maps",
        read=lambda _: found,
        modality=modality_of([case.image for case in found.cases]),
    )
