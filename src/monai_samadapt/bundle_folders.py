"""Where the bundles lie."""

from __future__ import annotations

from pathlib import Path

from monai_samadapt.errors import SamAdaptError


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
