"""Miniatures of public data sets, with the file types and encodings of the real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from monai_samadapt.datasets import SECTIONS, load_datalist
from monai_samadapt.datasets.public import SETS, Prepared, prepare
from monai_samadapt.transforms import DataSpec

SHAPE = (5, 8)
MASK = np.zeros(SHAPE, bool)
MASK[1:3, 2:6] = True


class Miniature:
    """Writes a set's files below ``root``, prepares it and reads it back as a training run does."""

    def __init__(self, root: Path) -> None:
        self.root, self.output = root / "download", root / "prepared"
        self.mask = MASK

    def picture(self, name: str, pixels: NDArray[Any] | None = None, **options: Any) -> Path:
        """Write a picture by its suffix; by default a bright one of 5 × 8 pixels."""
        path = self.path(name)
        pixels = np.full((*SHAPE, 3), 150, np.uint8) if pixels is None else pixels
        Image.fromarray(pixels).save(path, **options)
        return path

    def grey(self, name: str, low: int = 0, high: int = 255, **options: Any) -> Path:
        """Write the mask with two grey values."""
        return self.picture(name, np.where(MASK, high, low).astype(np.uint8), **options)

    def text(self, name: str, text: str) -> Path:
        """Write a text file."""
        path = self.path(name)
        path.write_text(text)
        return path

    def path(self, name: str) -> Path:
        """A path below the download, whose folder is there."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def prepare(self, name: str, seed: int = 0) -> Prepared:
        """Prepare it; the source must stay as it is."""
        before = sorted((str(path), path.stat().st_mtime_ns) for path in self.root.rglob("*"))
        prepared = prepare(SETS[name], self.root, self.output, seed)
        assert before == sorted((str(path), path.stat().st_mtime_ns) for path in self.root.rglob("*"))
        return prepared


def subjects(prepared: Prepared) -> list[list[str]]:
    """The subjects of each section, in the order of the items."""
    return [[item["subject"] for item in prepared.split.section(name)] for name in SECTIONS]


def loaded(prepared: Prepared, section: str = "training", index: int = 0) -> dict[Any, Any]:
    """An item read from the written datalist by the chain of the written settings: rows and columns upright."""
    settings = dict(prepared.settings)
    items = load_datalist(prepared.datalist.parent, None, section)
    spec = DataSpec(**settings, image_size=32)
    spec.check_item(items[index])
    return spec.evaluation_transforms()(items[index])


def label_of(prepared: Prepared, section: str = "training", index: int = 0) -> NDArray[np.uint8]:
    """The target (K, rows, columns), K = 1 for exclusive labels."""
    target: NDArray[np.uint8] = loaded(prepared, section, index)["label"].numpy().swapaxes(1, 2)
    return target


@pytest.fixture
def mini(tmp_path: Path) -> Miniature:
    return Miniature(tmp_path)
