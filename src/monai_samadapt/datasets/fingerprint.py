"""What tells one data set from another wherever it lies."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from monai_samadapt.datasets.split import PATH_KEYS

Sections = Mapping[str, Sequence[Mapping[str, Any]]]


def data_fingerprint(data: Sections) -> str:
    """SHA-256 over the items of each section, with the size of each of their files.

    Paths count below the folder that holds them all, so that a data set has the same fingerprint wherever it lies. The
    size of a folder (a DICOM series) is that of its files together.
    """
    paths = [path for items in data.values() for item in items for part in _files(item).values() for path in part]
    root = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else ""
    described = {section: [_described(item, root) for item in items] for section, items in data.items()}
    text = json.dumps(described, sort_keys=True, separators=(",", ":"), default=str)
    return sha256(text.encode()).hexdigest()


def _files(item: Mapping[str, Any]) -> dict[str, list[str]]:
    """The absolute paths of an item by key: several where each label has a file of its own."""
    found = {key: item[key] for key in PATH_KEYS if item.get(key)}
    parts = {key: value if isinstance(value, (list, tuple)) else [value] for key, value in found.items()}
    return {key: [os.path.abspath(path) for path in part] for key, part in parts.items()}


def _described(item: Mapping[str, Any], root: str) -> dict[str, Any]:
    files = {
        key: [entry for path in paths for entry in (Path(path).relative_to(root).as_posix(), _size(Path(path)))]
        for key, paths in _files(item).items()
    }
    return {**item, **files}


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
