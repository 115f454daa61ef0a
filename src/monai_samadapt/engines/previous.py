"""Files that an earlier run left in the folder of a new one."""

from __future__ import annotations

import shutil
from pathlib import Path

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.run_files import (
    ADAPTER,
    CHECKPOINT,
    DESCRIPTION,
    EVALUATION,
    HISTORY,
    KEPT,
    MANIFEST,
    MODEL,
    PREFLIGHT,
)

PREVIOUS = "previous"
TRAINED = (MODEL, ADAPTER, DESCRIPTION, CHECKPOINT, HISTORY, MANIFEST)


def check_apart(output_dir: str, dataset_dir: str, datalist: str | None) -> None:
    """Refuse to train in the folder of the data, or beside a datalist that no run wrote.

    Raises:
        SamAdaptError: since the run's own ``datalist.json`` would take the place of the data's.
    """
    folder, source = Path(output_dir).resolve(), Path(dataset_dir).resolve()
    lists = [path.resolve() for path in (source / datalist, Path(datalist))] if datalist is not None else []
    foreign = (folder / KEPT) in lists and not (_trained(folder) or (folder / PREFLIGHT).is_file())
    if folder == source or foreign:
        what = "the data set's folder" if folder == source else "the folder of the datalist"
        raise SamAdaptError("output_dir", output_dir, f"is {what}, which is never written to", "give another folder")


def set_aside(folder: Path) -> None:
    """Move what an earlier run left in a folder to ``previous`` in it, in the place of all that is there.

    Else a run that ends before its first validation would leave the weights of one run beside the split of another. A
    run that ended before it had any weights leaves the earlier ``previous`` as it is: its split is dropped.
    """
    previous = folder / PREVIOUS
    if not _trained(folder):
        if _trained(previous) or (previous / KEPT).is_file():
            (folder / KEPT).unlink(missing_ok=True)
        elif (folder / KEPT).is_file():
            _move(folder, previous, [KEPT])
        return
    for name in (KEPT, *TRAINED):
        (previous / name).unlink(missing_ok=True)
    shutil.rmtree(previous / EVALUATION, ignore_errors=True)
    _move(folder, previous, [KEPT, *TRAINED, EVALUATION])
    print(f"moved the files of an earlier run to {previous}", flush=True)


def _trained(folder: Path) -> bool:
    return any((folder / name).is_file() for name in TRAINED)


def _move(folder: Path, previous: Path, names: list[str]) -> None:
    previous.mkdir(exist_ok=True)
    for name in names:
        if (folder / name).exists():
            (folder / name).replace(previous / name)
