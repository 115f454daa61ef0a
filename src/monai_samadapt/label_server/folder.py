"""The folder of a MONAI Label app that serves packed bundles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_samadapt.engines.artefacts import read_description
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.networks import METHODS
from monai_samadapt.run_files import DESCRIPTION, MODEL

DEEPGROW = "deepgrow"
KINDS = re.compile("deepedit|deepgrow|detection|classification")
MAIN = '''"""Written by `samadapt serve`."""

from monai_samadapt.label_server.app import SamAdaptApp

__all__ = ["SamAdaptApp"]
'''


@dataclass(frozen=True)
class Served:
    """A bundle under the names it is served by.

    Attributes:
        bundle: its folder.
        names: of the model that segments by itself, and for a promptable method of the one that takes clicks.
    """

    bundle: Path
    names: tuple[str, ...]


def prepare_app(app: Path, bundles: Sequence[Path]) -> list[Served]:
    """Make ``app/main.py``, unless there is one, and a link in ``app/model`` for each name.

    MONAI Label takes the kind of a model from its folder's name: one with ``deepgrow`` gets clicks from the viewers.
    Links of an earlier server are removed; folders are not.

    Raises:
        SamAdaptError: for a folder that is no packed bundle, and for two of the same name.
    """
    served = [Served(check_bundle(bundle), link_names(bundle)) for bundle in bundles]
    names = [name for one in served for name in one.names]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SamAdaptError("bundle", twice[0], "is the name of two bundles", "rename one of the folders")
    models = app / "model"
    models.mkdir(parents=True, exist_ok=True)
    for link in models.iterdir():
        if link.is_symlink():
            link.unlink()
    for one in served:
        for name in one.names:
            _link(models / name, one.bundle)
    if not (app / "main.py").exists():
        (app / "main.py").write_text(MAIN, encoding="utf-8")
    return served


def check_bundle(bundle: Path) -> Path:
    """Return the absolute folder of a packed bundle.

    Raises:
        SamAdaptError: when something is missing.
    """
    for name in ("configs/inference.json", "configs/metadata.json", f"models/{MODEL}", f"models/{DESCRIPTION}"):
        if not (bundle / name).is_file():
            raise SamAdaptError("bundle", str(bundle), f"has no {name}", "make it by samadapt pack OUTPUT_DIR")
    return bundle.resolve()


def link_names(bundle: Path) -> tuple[str, ...]:
    """The names of a bundle's models, without the words that MONAI Label would take for another kind.

    It divides names at commas, and other signs than letters, digits, dots and dashes become ``_``.
    """
    method = METHODS[read_description(bundle / "models")["method"]]
    plain = re.sub(r"[^\w.-]", "_", KINDS.sub("", bundle.resolve().name.lower()))
    name = re.sub("__+", "_", plain).strip("_-.") or method.method
    return (name, f"{name}_{DEEPGROW}") if method.takes_prompts() else (name,)


def _link(link: Path, bundle: Path) -> None:
    if link.exists():
        raise SamAdaptError("app", str(link), "is a folder, not a link of an earlier server", "remove it")
    link.symlink_to(bundle, target_is_directory=True)
