"""Models and images that a request names: they must be known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import HTTPException
from monailabel.interfaces.datastore import Datastore

from monai_samadapt.label_server.folder import DEEPGROW

UNKNOWN = 404


def automatic_model(request: Mapping[str, Any], models: Iterable[str]) -> str:
    """The model that a request names, by default the first; for one that takes clicks, that of the same bundle without.

    Args:
        request: may have a ``model``.
        models: those that need no clicks.

    Raises:
        HTTPException: 404 for an unknown model, with the known ones.
    """
    known = [*models]
    name = str(request.get("model") or next(iter(known), "")).removesuffix(f"_{DEEPGROW}")
    check_model(name, known)
    return name


def check_model(model: str | None, models: Iterable[str]) -> None:
    """Refuse a model that is not served.

    Raises:
        HTTPException: 404 with the known ones.
    """
    if model not in (known := [*models]):
        raise HTTPException(UNKNOWN, f"model={model!r}: unknown; give one of {known}")


def check_images(images: Iterable[str], datastore: Datastore) -> None:
    """Refuse images that a datastore does not have.

    Raises:
        HTTPException: 404 naming the first.
    """
    for image in images:
        if not datastore.get_image_uri(image):
            raise HTTPException(UNKNOWN, f"image={image!r}: no such image; GET /datastore/?output=all lists them")
