"""Turn a ``checkpoint`` value into a file: a path, a name of the registry, or the word ``random``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from monai_samadapt.backbones.download import fetch
from monai_samadapt.backbones.registry import REGISTRY, WeightsEntry, registry_names
from monai_samadapt.errors import SamAdaptError


@dataclass(frozen=True)
class ResolvedCheckpoint:
    """Where base weights come from.

    Attributes:
        kind: ``random``, ``path`` or ``registry``.
        path: the file; None for ``random``.
        name: the value as the user wrote it.
        sha256: of the file, known for ``registry`` only.
    """

    kind: str
    path: Path | None
    name: str
    sha256: str | None = None


def resolve_checkpoint(value: str | os.PathLike[str] | None, family: str, variant: str) -> ResolvedCheckpoint:
    """Find the base weights, downloading those of the registry when they are not in the cache.

    Args:
        value: a name of the registry, which goes before a file of the same name; a path; or ``random``.
        family: ``sam`` or ``sam2``.
        variant: of the network that is built, e.g. ``vit_b``.

    Raises:
        SamAdaptError: for no value, a name of another family or variant, a path that is no file, or weights that
            cannot be fetched.
    """
    if value is None or not str(value):
        raise SamAdaptError("checkpoint", value, "no base weights given", _choices(family, variant))
    name = os.fspath(value)
    if name == "random":
        return ResolvedCheckpoint("random", None, name)
    if name in REGISTRY:
        _check_fits(REGISTRY[name], family, variant)
        path, digest = fetch(REGISTRY[name])
        return ResolvedCheckpoint("registry", path, name, digest)
    path = Path(name).expanduser()
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else f"no such file, and no name of {family} weights"
        raise SamAdaptError("checkpoint", name, problem, _choices(family))
    return ResolvedCheckpoint("path", path, name)


def _check_fits(entry: WeightsEntry, family: str, variant: str) -> None:
    if (entry.family, entry.variant) == (family, variant):
        return
    remedy = _choices(family, variant)
    if entry.family == family:
        remedy = f"set variant to {entry.variant}, or {remedy}"
    problem = f"these are {entry.family} {entry.variant} weights, not {family} {variant}"
    raise SamAdaptError("checkpoint", entry.name, problem, remedy)


def _choices(family: str, variant: str | None = None) -> str:
    return f"give checkpoint a path or one of {', '.join([*registry_names(family, variant), 'random'])}"
