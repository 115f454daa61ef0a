"""Run a comparison, or go on with one."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path

from monai_samadapt.compare.cell import LOG, Cell, make_cells
from monai_samadapt.compare.process import run_apart
from monai_samadapt.compare.report import STUDY, ComparisonReport, make_report, write_report
from monai_samadapt.compare.study import Study
from monai_samadapt.compare.tracking import CompareLog
from monai_samadapt.datasets import SECTIONS, write_split
from monai_samadapt.datasets.decathlon import load_json
from monai_samadapt.datasets.folds import Fold
from monai_samadapt.engines.lock import locked
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.reports.jsonfile import json_value, write_json


def compare(
    study: Study, output: Path, tracking_uri: str | None = None, experiment: str = "monai_samadapt"
) -> ComparisonReport:
    """Train and evaluate each method on each fold, and write the report.

    Finished cells of an earlier call stay as they are, and a training that was cut short goes on. A cell that fails is
    told, and the others go on. The report is written anew after each cell.

    Args:
        study: what to compare.
        output: folder of the comparison.
        tracking_uri, experiment: see `CompareLog`.

    Raises:
        SamAdaptError: when the folder is in use or holds another comparison.
    """
    output = output.resolve()
    with locked(output, "output", "comparison"):
        log = CompareLog(tracking_uri, experiment, output)
        try:
            return _compare(study, output, log)
        except BaseException as error:
            log.stop(error)
            raise


def _compare(study: Study, output: Path, log: CompareLog) -> ComparisonReport:
    folds = study.make_folds()
    cells = make_cells(study, folds, output, log.ids)
    for fold in folds:
        _write_fold(fold, output / "folds" / f"{fold.name}.json")
    write_json(asdict(study), output / STUDY)
    log.start(study)
    done = 0
    for number, cell in enumerate(cells, 1):
        if not cell.finished:
            _run(cell, f"[{number}/{len(cells)}]", log)
        done += cell.finished
        report = make_report(study, cells)
        paths = write_report(report, study, cells, output)
    log.finish(report, paths, done == len(cells))
    return report


def _run(cell: Cell, place: str, log: CompareLog) -> None:
    print(f"{place} {cell.title} …", flush=True)
    start, run = time.perf_counter(), log.open(cell)
    failure = run_apart(cell)
    if failure is None:
        print(f"{place} {cell.title}: {time.perf_counter() - start:.0f} s", flush=True)
        return
    print(f"{place} {cell.title} failed: {failure} (see {cell.folder / LOG})", flush=True)
    if run is not None:
        run.status("FAILED")


def _write_fold(fold: Fold, path: Path) -> None:
    """Write a fold's datalist, with absolute paths.

    Raises:
        SamAdaptError: when another one is there.
    """
    split = replace(fold.split, root=Path())
    content = {"labels": split.labels, **{name: split.section(name) for name in SECTIONS}}
    if not path.is_file():
        write_split(split, path)
    elif load_json(path) != json_value(content):
        remedy = "keep data, folds and seed, or give another output"
        raise SamAdaptError("output", str(path.parent.parent), f"holds other folds ({path.name})", remedy)
