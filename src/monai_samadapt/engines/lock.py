"""One training at a time in a folder."""

from __future__ import annotations

import atexit
from pathlib import Path

from filelock import FileLock, Timeout

from monai_samadapt.errors import SamAdaptError

LOCK = ".lock"
_HELD: dict[Path, FileLock] = {}


def take(output_dir: Path) -> None:
    """Keep other processes from training in a folder, until this one ends or gives it back.

    Raises:
        SamAdaptError: when another one is training there.
    """
    folder = output_dir.resolve()
    if folder in _HELD:
        return
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        remedy = "wait for it, or give another output_dir"
        raise SamAdaptError("output_dir", str(output_dir), "another training is writing there", remedy) from error
    _HELD[folder] = lock


@atexit.register
def give_back() -> None:
    """Let others train in the folders that this process has taken."""
    while _HELD:
        folder, lock = _HELD.popitem()
        (folder / LOCK).unlink(missing_ok=True)
        lock.release()
