"""Where the bundles and their overlays lie."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from monai_samadapt.errors import SamAdaptError

NO_OVERLAY = re.compile("train|evaluate|inference|metadata|multi_gpu")


def bundles_folder() -> Path:
    """The folder of the bundles: in a checkout beside ``src``, in an installed wheel inside the package."""
    package = Path(__file__).resolve().parent
    checkout = package.parents[1] / "bundles"
    return checkout if checkout.is_dir() else package / "bundles"


def find_bundle(name: str) -> Path:
    """The folder of one bundle.

    Raises:
        SamAdaptError: when there is none of that name.
    """
    folder = bundles_folder()
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if name not in names:
        raise SamAdaptError("bundle", name, "no such bundle", f"choose one of {', '.join(names)}")
    return folder / name


def overlay_file(bundle: Path, overlay: str) -> Path:
    """An overlay: the bundle's of that name, or a JSON file of the user's.

    Raises:
        SamAdaptError: when there is none.
    """
    path = Path(overlay) if overlay.endswith(".json") else bundle / "configs" / f"{overlay}.json"
    if not path.is_file():
        names = sorted(other.stem for other in (bundle / "configs").glob("*.json") if not NO_OVERLAY.match(other.stem))
        problem = f"is no configuration of {bundle.name}"
        raise SamAdaptError("overlay", overlay, problem, f"give one of {', '.join(names)}, or a JSON file")
    return path


def read_overlay(bundle: Path, overlay: str) -> dict[str, Any]:
    """The ids of an overlay.

    Raises:
        SamAdaptError: when there is none, it cannot be read, or one of the user's has an id that the bundle has not.
    """
    path = overlay_file(bundle, overlay)
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SamAdaptError("overlay", str(path), f"cannot be read ({error})", "give a JSON file") from error
    if not isinstance(content, dict):
        raise SamAdaptError("overlay", str(path), "is no JSON object", 'give ids, as {"labels": ["Liver"]}')
    if overlay.endswith(".json"):
        _check_known(content, bundle)
    return content


def _check_known(ids: dict[str, Any], bundle: Path) -> None:
    files = [bundle / "configs" / f"{name}.json" for name in ("train", "evaluate", "inference")]
    known = {key for file in files if file.is_file() for key in json.loads(file.read_text(encoding="utf-8"))}
    for key, value in ids.items():
        if re.split("::|#", key)[0] not in known:
            problem = f"is no id of the bundle {bundle.name}"
            raise SamAdaptError(key, value, problem, "see the table of ids in the README")
