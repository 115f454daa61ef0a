"""A process for each cell: its own memory and log, and a failure that stays its own."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from monai_samadapt.compare.cell import LOG, Cell, run_cell
from monai_samadapt.errors import OneLineExit, find_error

FAILURE = "error.txt"
PRELOAD = ("monai.bundle", "monai.engines", "ignite.engine", "monai_samadapt.engines", "monai_samadapt.compare.process")


def run_apart(cell: Cell) -> str | None:
    """Run a cell in a process of its own.

    The processes are forked from a server that has imported everything once, so that a cell starts at once.

    Returns:
        Why it failed, in one line; None when it finished.
    """
    cell.folder.mkdir(parents=True, exist_ok=True)
    (cell.folder / FAILURE).unlink(missing_ok=True)
    process: Any = _context().Process(target=_main, args=(cell,))
    process.start()
    try:
        process.join()
    except KeyboardInterrupt:
        process.join(20)  # it was interrupted as well, and ends its run in MLflow
        process.kill()
        raise
    if process.exitcode == 0:
        return None
    path = cell.folder / FAILURE
    return path.read_text().strip() if path.is_file() else f"ended with status {process.exitcode}"


def _context() -> Any:
    """Processes forked from a clean server, or spawned where there is no such thing."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOAD))
    return context


def _main(cell: Cell) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _write_to(cell.folder / LOG)
    try:
        run_cell(cell)
    except BaseException as error:
        traceback.print_exc()
        (cell.folder / FAILURE).write_text(_line(error) + "\n")
        raise SystemExit(1) from None


def _end_with_parent() -> None:
    """A killed comparison must not leave a training behind that the next one would run beside."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _write_to(log: Path) -> None:
    """Send all output to a file, what libraries and loader processes print too."""
    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for target in (1, 2):
        os.dup2(stream, target)
    print(f"\n# {time.strftime('%Y-%m-%d %H:%M:%S')}", flush=True)


def _line(error: BaseException) -> str:
    if isinstance(error, OneLineExit):
        return str(error.error)
    found = find_error(error)
    return str(found) if found is not None else f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
