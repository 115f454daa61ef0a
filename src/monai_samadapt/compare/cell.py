"""One cell of a comparison: a training and its evaluation, through the bundle's own configurations."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from monai_samadapt.bundle_folders import find_bundle, overlay_file
from monai_samadapt.compare.methods import find_method, known_ids
from monai_samadapt.compare.study import Study
from monai_samadapt.datasets.folds import Fold
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.reports.jsonfile import json_value, write_json
from monai_samadapt.run_files import CHECKPOINT, HISTORY, MANIFEST

RECORD, LOG = "cell.json", "log.txt"


@dataclass(frozen=True)
class Cell:
    """A method on a fold.

    Attributes:
        method: name of the column.
        fold: what it is trained and tested on.
        folder: of the run.
        bundle: folder of the bundle.
        overlay: of the modality.
        ids: all ids, whether of training or evaluation.
        tracking: the ids ``tracking_uri`` and ``experiment``.
    """

    method: str
    fold: Fold
    folder: Path
    bundle: Path
    overlay: str
    ids: Mapping[str, Any]
    tracking: Mapping[str, Any]

    @property
    def title(self) -> str:
        """Its name in messages."""
        return f"{self.method} {self.fold.name}"

    def record(self) -> dict[str, Any]:
        """What is known of it; empty before it began, without ``training`` before that has ended."""
        path = self.folder / RECORD
        return json.loads(path.read_text()) if path.is_file() else {}

    @property
    def finished(self) -> bool:
        """Whether it was trained and evaluated."""
        return self.record().get("state") == "finished"


def make_cells(study: Study, folds: list[Fold], output: Path, tracking: Mapping[str, Any]) -> list[Cell]:
    """The cells of a study, fold by fold; the folds' datalists lie in ``output/folds``.

    Raises:
        SamAdaptError: when ``output`` holds a cell of that name with other settings.
    """
    cells = []
    for fold in folds:
        for method in study.methods:
            found = find_method(method, study.methods[method])
            ids = {**study.cell_ids(method, fold), **found.overrides()}
            folder, data = output / "cells" / fold.name / method, study.data_set(fold)
            places = {"dataset_dir": data.dataset_dir, "datalist": str(output / "folds" / f"{fold.name}.json")}
            bundle = find_bundle(found.bundle)
            cells.append(Cell(method, fold, folder, bundle, data.overlay, {**ids, **places}, tracking))
            _check_same(cells[-1])
    return cells


def _check_same(cell: Cell) -> None:
    record = cell.record()
    if "training" not in record and not (cell.folder / CHECKPOINT).is_file():
        return  # nothing of another setting would be gone on with
    was = {"overlay": record.get("overlay", cell.overlay), **record.get("ids", {})}
    now = {"overlay": cell.overlay, **json_value(cell.ids)}
    for key in {**was, **now}.keys() - {"datalist"}:  # below the output, which may have been moved
        if json.dumps(was.get(key)) != json.dumps(now.get(key)):
            problem = f"{cell.folder} was run with {was.get(key)!r}"
            raise SamAdaptError(key, now.get(key), problem, "keep it, or give another output")


def run_cell(cell: Cell) -> None:
    """Train, unless that was done, going on from the last epoch; evaluate; ``cell.json`` says how far it is."""
    record = cell.record()
    if "training" not in record:
        record = {"ids": cell.ids, "overlay": cell.overlay}
        write_json(record, cell.folder / RECORD)
        _run(cell, ["train"], {"resume": True}, known_ids(cell.bundle.name)[0])
        record = {**record, "training": _trained(cell)}
        write_json(record, cell.folder / RECORD)
    start = time.perf_counter()
    _run(cell, ["train", "evaluate"], {}, set.union(*known_ids(cell.bundle.name)) - {"checkpoint"})
    evaluation = {"seconds": round(time.perf_counter() - start, 2)}
    write_json({**record, "evaluation": evaluation, "state": "finished"}, cell.folder / RECORD)


def _run(cell: Cell, configs: list[str], settings: Mapping[str, Any], known: set[str]) -> None:
    """What ``python -m monai.bundle run`` does, in this process."""
    from monai.bundle import run

    ids = {key: value for key, value in cell.ids.items() if key in known or key == "network_def"}
    files = [str(cell.bundle / "configs" / f"{name}.json") for name in configs]
    files.append(str(overlay_file(cell.bundle, cell.overlay)))
    own = {"bundle_root": str(cell.bundle), "output_dir": str(cell.folder), **cell.tracking, **settings}
    run(config_file=files, **{"logging_file": False, **json_value(ids), **own})


def _trained(cell: Cell) -> dict[str, Any]:
    """Trained parameters, base, epochs, seconds (with validation, without start-up) and peak memory of a training."""
    from monai_samadapt.tracking.measures import peak_memory

    manifest = json.loads((cell.folder / MANIFEST).read_text())
    with open(cell.folder / HISTORY, newline="") as stream:
        seconds = [float(row["seconds"]) for row in csv.DictReader(stream)]
    device = torch.device(str(cell.ids.get("device") or manifest["device"]["type"]))
    return {
        "parameters": manifest["parameters"],
        "base": manifest["base"],
        "best": manifest["best"],
        "epochs": len(seconds),
        "seconds": round(sum(seconds), 2),
        "peak_memory_gib": round(peak_memory(device) / 2**30, 3),
        "device": manifest["device"],
        "items": manifest["datalist"]["items"],
    }
