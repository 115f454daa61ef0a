"""Image files in folders: what counts as an image, and pairs of images and labels by stem."""

from __future__ import annotations

from pathlib import Path

from monai_samadapt.errors import SamAdaptError

SUFFIXES = (
    *(".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm"),
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"),
)


def image_stem(path: Path) -> str:
    """Return the name without an image suffix: ``a/case.1.nii.gz`` → ``case.1``; a series' folder keeps its name."""
    lower = path.name.lower()
    for suffix in SUFFIXES:
        if lower.endswith(suffix) and len(lower) > len(suffix):
            return path.name[: -len(suffix)]
    return path.name


def is_series(path: Path) -> bool:
    """Tell whether ``path`` is a folder with DICOM files, by suffix or by the mark ``DICM`` at byte 128."""
    return path.is_dir() and any(_is_dicom(child) for child in sorted(path.iterdir()) if child.is_file())


def list_images(folder: Path) -> list[Path]:
    """Return image files and DICOM series' folders directly in ``folder``, sorted by name; hidden ones are left out.

    Raises:
        SamAdaptError: when the folder is missing, or two images have the same stem.
    """
    if not folder.is_dir():
        raise SamAdaptError("folder", str(folder), "is no folder", "give a folder with image files")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not _is_image(path):
            continue
        other = found.setdefault(image_stem(path), path)
        if other != path:
            problem = f"has the stem of {path.name}"
            raise SamAdaptError("image", str(other), problem, "rename or remove one of the two")
    return list(found.values())


def pair_images(images: Path, labels: Path) -> list[tuple[Path, Path | None]]:
    """Pair every image with the label of the same stem, or None where there is no label.

    Raises:
        SamAdaptError: when a label has no image, a stem is there twice, or ``images`` holds no image.
    """
    image_of = {image_stem(path): path for path in list_images(images)}
    if not image_of:
        raise SamAdaptError(
            "folder", str(images), "holds no images", f"put files there that end in {', '.join(SUFFIXES)}"
        )
    label_of = {image_stem(path): path for path in list_images(labels)} if labels.is_dir() else {}
    for stem, path in label_of.items():
        if stem not in image_of:
            problem = f"no image of that name in {images}"
            raise SamAdaptError("label", str(path), problem, "give image and label the same name")
    return [(path, label_of.get(stem)) for stem, path in image_of.items()]


def _is_image(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES) if path.is_file() else is_series(path)


def _is_dicom(path: Path) -> bool:
    if path.suffix.lower() == ".dcm":
        return True
    if path.name.lower().endswith(SUFFIXES):
        return False
    with path.open("rb") as stream:
        stream.seek(128)
        return stream.read(4) == b"DICM"
