"""One training, comparison or preparation at a time in a folder."""

from __future__ import annotations

import atexit
from pathlib import Path

from filelock import AcquireReturnProxy, FileLock, Timeout

from monai_samadapt.errors import SamAdaptError

LOCK = ".lock"
_HELD: dict[Path, AcquireReturnProxy] = {}


def locked(folder: Path, key: str, what: str) -> AcquireReturnProxy:
    """Make a folder and lock it, until what is returned is left as a context or its ``lock`` is released.

    Args:
        folder: to be written in.
        key: the setting that names it, for the error.
        what: writes there, e.g. ``training``.

    Raises:
        SamAdaptError: when another process has locked it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return FileLock(folder / LOCK).acquire(timeout=0)
    except Timeout as error:
        remedy = f"wait for it, or give another {key}"
        raise SamAdaptError(key, str(folder), f"another {what} is writing there", remedy) from error


def take(output_dir: Path) -> None:
    """Keep other processes from training in a folder, until this one ends or gives it back.

    Raises:
        SamAdaptError: when another one is training there.
    """
    folder = output_dir.resolve()
    if folder not in _HELD:
        _HELD[folder] = locked(folder, "output_dir", "training")


@atexit.register
def give_back() -> None:
    """Let others train in the folders that this process has taken."""
    while _HELD:
        folder, held = _HELD.popitem()
        (folder / LOCK).unlink(missing_ok=True)
        held.lock.release()
