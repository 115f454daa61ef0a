"""DRISHTI-GS: optic disc and cup (Sivaswamy et al., 2014), as pictures with label maps."""

from __future__ import annotations

from pathlib import Path

from monai_samadapt.datasets.scan import image_stem, pair_images
from monai_samadapt.datasets.split import Split
from monai_samadapt.errors import SamAdaptError


def read_drishti(source: Path) -> Split:
    """Read ``images`` and ``labels`` (0 background, 1 rim, 2 cup; the disc is 1 and 2) with files of the same names.

    One photograph of each patient. In the order of the names the last third is the test, and of the others the last
    fifth validates: 16, 4 and 10 of 30 images. That is no published split: the official test part is a set of its own.

    Args:
        source: the folder that holds both.

    Returns:
        The split; a subject is the name without suffix.

    Raises:
        SamAdaptError: when there are fewer than 5 images, or an image has no label.
    """
    pairs = pair_images(source / "images", source / "labels")
    if len(pairs) < 5:
        problem = f"has {len(pairs)} images: training, validation or test would be empty"
        raise SamAdaptError("source", str(source), problem, "give a folder with images and labels")
    for image, label in pairs:
        if label is None:
            raise SamAdaptError("image", str(image), "has no label of its name", f"add it to {source / 'labels'}")
    items = [{"image": str(image), "label": str(label), "subject": image_stem(image)} for image, label in pairs]
    trained = len(items) - round(len(items) / 3)
    fitted = trained - round(trained / 5)
    return Split(items[:fitted], items[fitted:trained], items[trained:], {"Disc": [1, 2], "Cup": 2}, source)
