"""Read a datalist: the JSON format of the Medical Segmentation Decathlon, and what others have made of it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_samadapt.datasets.scan import image_stem
from monai_samadapt.datasets.split import PATH_KEYS, SECTIONS, Item, Split, split_by_subject
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.expressions import check_plain

HELD_OUT_FRACTION = 0.2


def read_decathlon(path: Path, root: Path, seed: int) -> Split:
    """Read a datalist as a split; without ``validation``, a fifth of the training subjects is held out for it.

    Args:
        path: the JSON file; the paths in it are relative to its folder, else to ``root``, else to the
            ``root`` that it names.
        root: the data set's folder.
        seed: seed of the held-out part.

    Raises:
        SamAdaptError: when the file is no datalist, or a training or validation image has no label.
    """
    content = load_json(path)
    training, validation, test = (section_items(content, section, path, root) for section in SECTIONS)
    if training and not validation:
        training, validation = split_by_subject(training, (1 - HELD_OUT_FRACTION, HELD_OUT_FRACTION), seed)
    for item in (*training, *validation):
        if "label" not in item:
            problem = f"has no label in {path}"
            raise SamAdaptError("image", item["image"], problem, "add its label, or move it to test")
    return Split(training, validation, test, label_values(content.get("labels", {}), path), named_root(content) or root)


def load_json(path: Path) -> dict[str, Any]:
    """Return the object in a datalist file.

    Raises:
        SamAdaptError: naming the line, when the file is no JSON; also when it has none of the three sections.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        problem = f"is no JSON at line {error.lineno}: {error.msg}"
        raise SamAdaptError("datalist", str(path), problem, "correct that line") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SamAdaptError("datalist", str(path), f"cannot be read: {error}", "give a JSON file in UTF-8") from None
    if not isinstance(content, dict) or not set(SECTIONS) & set(content):
        problem = "has no section of a datalist"
        raise SamAdaptError("datalist", str(path), problem, f"give an object with {list(SECTIONS)}")
    return content


def named_root(content: dict[str, Any]) -> Path | None:
    """The folder that a datalist names as ``root``."""
    return Path(content["root"]) if isinstance(content.get("root"), str) else None


def section_items(content: dict[str, Any], section: str, path: Path, root: Path) -> list[Item]:
    """Return the items of a section, given as dicts or as plain paths of images.

    Paths become absolute. The subject is ``subject``, else the image's path as written, without suffix.

    Raises:
        SamAdaptError: when the section is no list, an entry is no item, or an image is there twice.
    """
    entries = content.get(section, [])
    if not isinstance(entries, list):
        raise SamAdaptError(section, type(entries).__name__, f"is no list in {path}", "give a list of items")
    roots = [folder for folder in (path.parent, root, named_root(content)) if folder is not None]
    items = [_item(entry, section, path, roots) for entry in entries]
    seen: set[str] = set()
    for item in items:
        if item["image"] in seen:
            raise SamAdaptError("image", item["image"], f"is twice in {section} of {path}", "list it once")
        seen.add(item["image"])
    return items


def _item(entry: Any, section: str, path: Path, roots: Sequence[Path]) -> Item:
    item = {"image": entry} if isinstance(entry, str) else entry
    if not isinstance(item, dict) or not isinstance(item.get("image"), str):
        raise SamAdaptError(section, entry, f"is no item of {path}", 'give {"image": "a.nii.gz", "label": "b.nii.gz"}')
    result = {key: value for key, value in item.items() if value is not None}
    for key in PATH_KEYS:
        if key in result:
            if not isinstance(result[key], str):
                raise SamAdaptError(key, result[key], f"is no path in {path}", "give one file for each item")
            result[key] = _resolve(result[key], roots)
    written = Path(item["image"])
    result["subject"] = str(result.get("subject", written.with_name(image_stem(written)).as_posix()))
    return result


def _resolve(name: str, roots: Sequence[Path]) -> str:
    """Resolve a path against the first folder in which it is there."""
    candidates = [os.path.normpath(folder / name) for folder in roots]
    return next((candidate for candidate in candidates if os.path.exists(candidate)), candidates[1])


def label_values(labels: Any, path: Path) -> dict[str, int | list[int]]:
    """Read ``labels`` as name → value (nnU-Net), value → name (Decathlon) or a list of names; without background.

    Raises:
        SamAdaptError: for values that are no integers, and names that MONAI's configuration would run.
    """
    if isinstance(labels, list):
        first = 0 if labels and str(labels[0]).lower() == "background" else 1
        labels = {str(name): index for index, name in enumerate(labels, first)}
    if not isinstance(labels, dict):
        raise SamAdaptError("labels", labels, f"is no mapping in {path}", 'give e.g. {"Liver": 1}')
    if all(name.isdigit() for name in labels):
        labels = {str(name): int(value) for value, name in labels.items()}
    check_plain("labels", list(labels), path)
    for name, value in labels.items():
        if not all(isinstance(number, int) for number in (value if isinstance(value, list) else [value])):
            raise SamAdaptError(
                "labels", value, f"is no value of {name!r} in {path}", "give an integer, or a list of such"
            )
    return {name: value for name, value in labels.items() if value not in (0, [0])}
