"""Read data sets: a Decathlon-style JSON, or folders of images and labels."""

from __future__ import annotations

import os
from pathlib import Path

from monai_samadapt.datasets.decathlon import load_json, named_root, read_decathlon, section_items
from monai_samadapt.datasets.scan import image_stem, is_series, list_images, pair_images
from monai_samadapt.datasets.split import PATH_KEYS, Item, Split, check_subjects, split_by_subject
from monai_samadapt.errors import SamAdaptError

PathLike = str | os.PathLike[str]

FOLDER_FRACTIONS = (0.7, 0.1, 0.2)
INFERENCE_KEYS = ("image", "mask", "centre", "prompts", "subject")


def load_datalist(
    dataset_dir: PathLike,
    datalist: PathLike | None = None,
    section: str = "training",
    seed: int = 0,
    labelled: bool = False,
) -> list[Item]:
    """Return the items of one section, with absolute paths that exist.

    Args:
        dataset_dir: folder of the data set.
        datalist: JSON file, absolute or relative to ``dataset_dir``; by default ``datalist.json``, else
            ``dataset.json``, else the folders ``images`` and ``labels`` with files paired by stem.
        section: ``training``, ``validation`` or ``test``.
        seed: seed of the split where the data set brings none (see ``read_split``).
        labelled: also refuse test items without a label, which cannot be evaluated.

    Returns:
        dicts with ``image``, ``label``, ``subject``, perhaps ``mask``, and the datalist's other keys.

    Raises:
        SamAdaptError: when the split cannot be read, the section is empty, or a file is missing.
    """
    split = read_split(dataset_dir, datalist, seed)
    items = split.section(section)
    if not items:
        raise SamAdaptError("section", section, f"no items in {split.root}", f"list items under {section!r}")
    for item in items:
        if labelled and "label" not in item:
            raise SamAdaptError("image", item["image"], f"has no label in {section}", "add its label to evaluate it")
        check_files(item)
    return items


def read_split(dataset_dir: PathLike, datalist: PathLike | None = None, seed: int = 0) -> Split:
    """Read all sections of a data set.

    A datalist without ``validation`` has a fifth of its training subjects held out for it. Folders of images and labels
    are divided 70 : 10 : 20. Both depend on nothing but the subjects' names and ``seed``. Images without label in
    folders are left for inference. Whether the files exist is checked by ``load_datalist`` for the section it returns.

    Raises:
        SamAdaptError: when a file or folder is missing or unreadable, a training or validation image has no label, or a
            subject is in two sections.
    """
    root = _root(dataset_dir)
    path = _datalist_path(root, datalist)
    split = read_decathlon(path, root, seed) if path is not None else _read_folders(root, seed)
    check_subjects(split)
    return split


def inference_items(dataset_dir: PathLike, datalist: PathLike | None = None) -> list[Item]:
    """Return items with ``image`` and ``subject``, for inference, and ``mask``, ``centre``, ``prompts`` where given.

    Args:
        dataset_dir: one image, a DICOM series' folder, or a folder. Of a folder with a datalist it is the test section,
            else all images in its ``images`` folder or directly in it.
        datalist: JSON file as for ``load_datalist``.

    Raises:
        SamAdaptError: when there is no image or a file is missing.
    """
    source = Path(os.path.abspath(dataset_dir))
    if datalist is None and (source.is_file() or is_series(source)):
        return [_image_item(source)]
    root = _root(dataset_dir)
    path = _datalist_path(root, datalist)
    items = _images_in(root) if path is None else section_items(load_json(path), "test", path, root)
    if not items:
        remedy = "give a folder with image files, or a datalist with a test section"
        raise SamAdaptError("dataset_dir", str(root), f"no images in {path or 'it'}", remedy)
    items = [{key: item[key] for key in INFERENCE_KEYS if key in item} for item in items]
    for item in items:
        check_files(item)
    return items


def image_folders(dataset_dir: PathLike, datalist: PathLike | None = None) -> list[str]:
    """Return the folders that a data set's images lie in: its own, its datalist's, and the ``root`` that this names."""
    source = Path(os.path.abspath(dataset_dir))
    path = _datalist_path(source, datalist)
    folders = [source, path.parent, named_root(load_json(path))] if path is not None else [source]
    return list(dict.fromkeys(str(folder) for folder in folders if folder is not None))


def check_files(item: Item) -> None:
    """Check that an item's files are there.

    Raises:
        SamAdaptError: naming the missing file.
    """
    for key in PATH_KEYS:
        if key in item and not Path(item[key]).exists():
            raise SamAdaptError(key, item[key], "no such file", "correct the datalist or dataset_dir")


def _root(dataset_dir: PathLike) -> Path:
    root = Path(os.path.abspath(dataset_dir))
    if not root.is_dir():
        raise SamAdaptError("dataset_dir", str(dataset_dir), "no such folder", "give the folder of the data set")
    return root


def _datalist_path(root: Path, datalist: PathLike | None) -> Path | None:
    if datalist is None:
        return next((root / name for name in ("datalist.json", "dataset.json") if (root / name).is_file()), None)
    path = next((path for path in (root / datalist, Path(os.path.abspath(datalist))) if path.is_file()), None)
    if path is None:
        remedy = "give a JSON file, absolute or below dataset_dir"
        raise SamAdaptError("datalist", str(root / datalist), "no such file", remedy)
    return path


def _read_folders(root: Path, seed: int) -> Split:
    pairs = pair_images(root / "images", root / "labels") if (root / "images").is_dir() else []
    items = [{**_image_item(image), "label": str(label)} for image, label in pairs if label is not None]
    if not items:
        problem = "has neither datalist.json nor images/ with labels/ of the same names"
        remedy = "add one of them, or make a list of other folders by samadapt prepare folders"
        raise SamAdaptError("dataset_dir", str(root), problem, remedy)
    training, validation, test = split_by_subject(items, FOLDER_FRACTIONS, seed)
    return Split(training, validation, test, {}, root, tuple(str(image) for image, label in pairs if label is None))


def _images_in(root: Path) -> list[Item]:
    folder = root / "images" if (root / "images").is_dir() else root
    return [_image_item(image) for image in list_images(folder)]


def _image_item(path: Path) -> Item:
    return {"image": str(path), "subject": image_stem(path)}
