"""Check weights files against their hash: the registry's, or the one pinned at the first download."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from monai_samadapt.backbones.registry import WeightsEntry
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import atomic_path, sha256

PINS = "pinned.json"
STAMPS = "verified.json"


def verify_file(path: Path, entry: WeightsEntry) -> str:
    """Verify the weights file of ``entry`` in the cache, and return its SHA-256.

    A file that passed is not hashed again while its size and modification time stay the same: both are kept in
    ``verified.json`` beside it. Where the registry has no hash, the first one found is pinned in ``pinned.json``.

    Raises:
        SamAdaptError: when the size or the hash is wrong. The file is left alone.
    """
    expected = _expected(path.parent, entry)
    if expected is not None and _read(path.parent / STAMPS).get(entry.file) == _stamp(path, expected):
        return expected
    found = check_content(path, entry)
    remember(path, found)
    return found


def remember(path: Path, found: str) -> None:
    """Note that the file with its present size and time has passed."""
    # A shared cache may be read-only: its files are then hashed at each start.
    with suppress(OSError):
        _update(path.parent / STAMPS, path.name, _stamp(path, found))


def check_content(path: Path, entry: WeightsEntry) -> str:
    """Compare size and SHA-256 of a file with those of ``entry``; pin the hash beside it where none is known.

    Returns:
        The SHA-256 found.

    Raises:
        SamAdaptError: when one of them differs.
    """
    size, remedy = path.stat().st_size, "remove the file and fetch it again"
    if entry.size not in (None, size):
        raise SamAdaptError("checkpoint", entry.name, f"{path} has {size} bytes, not {entry.size}", remedy)
    found, expected = sha256(path), _expected(path.parent, entry)
    if expected is None:
        _update(path.parent / PINS, entry.file, found)
    elif found != expected:
        source = "registry" if entry.sha256 else f"first download's pin in {path.parent / PINS}"
        problem = f"{path} has SHA-256 {found}, the {source} says {expected}"
        raise SamAdaptError("checkpoint", entry.name, problem, remedy)
    return found


def _expected(folder: Path, entry: WeightsEntry) -> str | None:
    if entry.sha256 is not None:
        return entry.sha256
    pinned = _read(folder / PINS).get(entry.file)
    return None if pinned is None else str(pinned)


def _stamp(path: Path, found: str) -> dict[str, object]:
    state = path.stat()
    return {"size": state.st_size, "mtime_ns": state.st_mtime_ns, "sha256": found}


def _read(path: Path) -> dict[str, object]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (TypeError, ValueError) as error:
        raise SamAdaptError("SAMADAPT_CACHE", str(path), "is no JSON object", "correct or remove it") from error


def _update(path: Path, key: str, value: object) -> None:
    content = {**_read(path), key: value}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
