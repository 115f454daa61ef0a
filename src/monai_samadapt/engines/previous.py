"""Files that an earlier run left in the folder of a new one."""

from __future__ import annotations

from pathlib import Path

from monai_samadapt.run_files import ADAPTER, CHECKPOINT, DESCRIPTION, HISTORY, KEPT, MANIFEST, MODEL

PREVIOUS = "previous"
RUN_FILES = (KEPT, MODEL, ADAPTER, DESCRIPTION, CHECKPOINT, HISTORY, MANIFEST)


def set_aside(folder: Path) -> None:
    """Move what an earlier run left in a folder to ``previous`` in it, in the place of what is there.

    Else a run that ends before its first validation would leave the weights of one run beside the split of another.
    """
    kept = [folder / name for name in RUN_FILES if (folder / name).is_file()]
    for path in kept:
        (folder / PREVIOUS).mkdir(exist_ok=True)
        path.replace(folder / PREVIOUS / path.name)
    if kept:
        print(f"moved the files of an earlier run to {folder / PREVIOUS}", flush=True)
