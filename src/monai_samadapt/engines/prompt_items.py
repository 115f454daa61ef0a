"""Items with prompts: repeated for each prompt mode, or given the prompts of a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from pydoc import locate
from typing import Any

from monai_samadapt.engines.checks import check_path
from monai_samadapt.errors import SamAdaptError, exits_in_one_line
from monai_samadapt.networks import SegmentationNetwork
from monai_samadapt.prompts import check_modes
from monai_samadapt.transforms.prompt_file import require_prompts
from monai_samadapt.transforms.prompts import FILE_MODE

Items = list[dict[str, Any]]


@exits_in_one_line
def per_mode(items: Items, modes: Sequence[str], prompts_file: str | None = None) -> Items:
    """Repeat each item for each prompt mode, consecutively, so that the image's features serve all of them.

    Args:
        items: the items of a data set.
        modes: names of `monai_samadapt.prompts.MODES`, or ``file`` for the prompts of the item or of ``prompts_file``.
        prompts_file: see `prompted`.
    """
    check_modes(modes, "prompt_modes", (FILE_MODE,))
    return [{**item, "prompt_mode": mode} for item in prompted(items, prompts_file) for mode in modes]


@exits_in_one_line
def prompted(items: Items, prompts_file: str | None) -> Items:
    """Give items the prompts of a JSON file: ``{image path as in the datalist: {label name: …}}``.

    A name may be the end of a path; where several names are an image's, the longest is meant. The prompts of an image
    replace those in the datalist; see `monai_samadapt.transforms.prompt_file`.

    Raises:
        SamAdaptError: when the file is missing, no such JSON, or a name is that of no item, or of several.
    """
    if prompts_file is None:
        return items
    check_path("prompts_file", prompts_file)
    given = _read(prompts_file)
    owners = _longest([*given], sorted({item["image"] for item in items}))
    of_image = {}
    for name, images in owners.items():
        if len(images) != 1:
            several = f"is the end of {images[0]} and {images[1]}" if images else "is no image here"
            remedy = "give paths as in the datalist, of the images in this run"
            raise SamAdaptError("prompts_file", prompts_file, f"names {name!r}, which {several}", remedy)
        of_image[images[0]] = given[name]
    return [{**item, "prompts": of_image.get(item["image"], item.get("prompts"))} for item in items]


def check_prompts(items: Sequence[Mapping[str, Any]], network: str) -> None:
    """Refuse prompts for a network that takes none, and the mode ``file`` for items without prompts.

    Args:
        items: of the run.
        network: full name of the network's class.

    Raises:
        SamAdaptError: naming the image.
    """
    kind = locate(network)
    takes_none = isinstance(kind, type) and issubclass(kind, SegmentationNetwork) and not kind.takes_prompts()
    for item in items:
        mode = item.get("prompt_mode", FILE_MODE if item.get("prompts") else "none")
        if takes_none and mode != "none":
            problem = f"has prompts ({mode}), and {network.rpartition('.')[2]} takes none"
            raise SamAdaptError("image", str(item["image"]), problem, "leave prompt_modes and prompts out")
        if item.get("prompt_mode") == FILE_MODE:
            require_prompts(item)


def _read(path: str) -> dict[str, Any]:
    example = 'give {"images/a.png": {"Disc": {"points": [[30, 12]], "point_labels": [1]}}}'
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        problem = f"is no JSON at line {error.lineno}: {error.msg}"
        raise SamAdaptError("prompts_file", path, problem, "correct that line") from None
    except (OSError, UnicodeDecodeError) as error:
        problem = f"cannot be read: {error.__class__.__name__}"
        raise SamAdaptError("prompts_file", path, problem, "give a JSON file in UTF-8") from None
    if not isinstance(content, dict):
        raise SamAdaptError("prompts_file", path, "has no object of image paths", example)
    return content


def _longest(names: Sequence[str], images: Sequence[str]) -> dict[str, list[str]]:
    """The images of each name: those that end with it and with no longer one.

    Of several it is the one that the name leads to from a folder that holds all images, as in a datalist.
    """
    owners: dict[str, list[str]] = {name: [] for name in names}
    for image in images:
        ends = [name for name in names if _is_end(name, image)]
        if ends:
            owners[max(ends, key=lambda name: len(PurePath(name).parts))].append(image)
    for name, owned in owners.items():
        if len(owned) > 1:
            above = {image: PurePath(image).parents[len(PurePath(name).parts) - 1] for image in owned}
            whole = [image for image in owned if all(PurePath(other).is_relative_to(above[image]) for other in images)]
            owners[name] = whole or owned
    return owners


def _is_end(name: str, path: str) -> bool:
    """Whether a path ends with the parts of ``name``."""
    parts = PurePath(name).parts
    return bool(parts) and PurePath(path).parts[-len(parts) :] == parts
