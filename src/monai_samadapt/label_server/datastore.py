"""A datastore that takes only what can be read."""

from __future__ import annotations

import os
from typing import Any

from fastapi import HTTPException
from monai.data import MetaTensor
from monailabel.datastore.local import LocalDatastore

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.label_server.known import check_images
from monai_samadapt.transforms.grid import check_same_grid
from monai_samadapt.transforms.pictures import PictureReader
from monai_samadapt.transforms.read import SourceReader
from monai_samadapt.transforms.volumes import VolumeReader

VOLUMES = (".nii", ".nii.gz", ".nrrd", ".mha")
WRONG = 422


class CheckedDatastore(LocalDatastore):
    """MONAI Label's folder of studies; an upload that cannot be used is refused and leaves it as it was."""

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Store an image that can be read.

        Raises:
            HTTPException: 422 with the cause, also for an id that is no plain name.
        """
        _refuse_folders("image", image_id)
        _refuse_unreadable(lambda: reader_of(image_filename).image(image_filename))
        return str(super().add_image(image_id, image_filename, image_info))

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Store a label that can be read and lies on the grid of its image.

        Raises:
            HTTPException: 404 for an unknown image, 422 with the cause, also for a tag that is no plain name.
        """
        _refuse_folders("tag", label_tag)
        check_images([image_id], self)
        uri = self.get_image_uri(image_id)
        _refuse_unreadable(lambda: _check_label(label_filename, uri))
        return str(super().save_label(image_id, label_filename, label_tag, label_info))

    def update_image_info(self, image_id: str, info: dict[str, Any]) -> None:
        """Add to what is known of an image, without undoing what another process has written since."""
        self._init_from_datastore_file()
        super().update_image_info(image_id, info)


def reader_of(path: str) -> SourceReader:
    """What reads a file, by its suffix."""
    return VolumeReader() if is_volume(path) else PictureReader()


def is_volume(path: str) -> bool:
    """Whether a file, by its suffix, or a folder holds a volume."""
    return path.lower().endswith(VOLUMES) or os.path.isdir(path)


def _refuse_folders(key: str, name: str) -> None:
    """A name becomes a part of a path, which must not lead elsewhere."""
    if name and (name in (".", "..") or "/" in name or "\\" in name):
        raise HTTPException(WRONG, f"{key}={name!r}: is no plain name; give one without folders")


def _check_label(label: str, image: str) -> MetaTensor:
    found = reader_of(label).label(label)
    check_same_grid(reader_of(image).image(image), found, "label")
    return found


def _refuse_unreadable(read: Any) -> None:
    try:
        read()
    except SamAdaptError as error:
        raise HTTPException(WRONG, str(error)) from error
