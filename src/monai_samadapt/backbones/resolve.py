from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from monai_samadapt.errors import SamAdaptError


@dataclass(frozen=True)
class ResolvedCheckpoint:
    kind: str
    path: Path | None
    name: str
    sha256: str | None = None


def resolve_checkpoint(value, family, variant):
    if value == "random":
        return ResolvedCheckpoint("random", None, "random")
    path = Path(str(value))
    if not path.is_file():
        raise SamAdaptError("checkpoint", value, "no such file or registry name", "give a path or a name")
    return ResolvedCheckpoint("path", path, str(value))
