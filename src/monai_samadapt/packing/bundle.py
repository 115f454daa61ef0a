"""Writing packed bundles."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from monai_samadapt.bundle_folders import read_overlay
from monai_samadapt.engines.artefacts import network_from_adapter, read_description, write_adapter, write_model
from monai_samadapt.engines.kept_split import write_hashes
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.expressions import check_plain
from monai_samadapt.files import sha256
from monai_samadapt.packing.configs import check_ids, ids_of, packed_evaluation, packed_training, with_ids
from monai_samadapt.packing.labels import painted_labels
from monai_samadapt.packing.metadata import mean_dice, packed_metadata
from monai_samadapt.packing.page import page
from monai_samadapt.reports.cases import read_cases, write_cases
from monai_samadapt.reports.jsonfile import write_json
from monai_samadapt.run_files import ADAPTER, CASES, DESCRIPTION, EVALUATION, KEPT, MANIFEST, MODEL, REPORT, SUMMARY
from monai_samadapt.transforms import DataSpec

TRAINING, INFERENCE, EVALUATE, METADATA = "train.json", "inference.json", "evaluate.json", "metadata.json"


def pack_run(
    run: Path, source: Path, target: Path, ids: Mapping[str, Any] | None = None, with_report: bool = False
) -> DataSpec:
    """Pack a training run.

    The bundle has ``configs/{inference,train,evaluate,metadata}.json`` with the run's settings in them and the overlays
    for several GPUs, ``models/model.pt`` with its adapter files, the licence, a page and, where there is one, the
    tables of the evaluation in ``docs/evaluation``, in which cases are numbered. Its training starts from these weights
    and replaces them when it ends.

    Args:
        run: folder with ``adapter.json`` and ``model.pt``, or with ``adapter.safetensors`` and its base at hand.
        source: the bundle folder of the run's method.
        target: folder to write, or a name that ends in ``.zip``; must not exist.
        ids: other values of training settings, as ``max_epochs``.
        with_report: also take ``report.html``, which shows pictures of the cases, and their names in the tables.

    Returns:
        The settings of the data.

    Raises:
        SamAdaptError: when the target exists, the run is incomplete, an id is unknown, or there is no report.
    """
    description = read_description(run)
    check_ids(ids or {}, _read(source, TRAINING), ids_of(_read(source, TRAINING), description))
    evaluated = _evaluated(run)
    if with_report and not (evaluated and (run / EVALUATION / REPORT).is_file()):
        problem = "was not evaluated with these weights"
        raise SamAdaptError("with_report", str(run), problem, "run evaluate.json on it, or leave it out")
    if target.exists():
        raise SamAdaptError("to", str(target), "is there already", "give the name of a new folder or .zip file")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        folder = Path(temporary) / "content" / target.stem
        summary = json.loads((run / EVALUATION / SUMMARY).read_text()) if evaluated else {}
        spec = _write(folder, run, source, description, ids or {}, mean_dice(summary))
        if evaluated:
            _evaluation(folder / "docs" / EVALUATION, run / EVALUATION, with_report)
        if target.suffix == ".zip":
            folder = Path(shutil.make_archive(f"{temporary}/packed", "zip", folder.parent))
        os.replace(folder, target)
    return spec


def pack_base(source: Path, overlays: Sequence[str], target: Path, ids: Mapping[str, Any]) -> DataSpec:
    """Pack a base that was never trained, so that a server can start before any training.

    Args:
        source: bundle folder.
        overlays: names of its overlays, or JSON files, merged in this order.
        target: see `pack_run`.
        ids: settings, as ``labels``, ``variant``, ``checkpoint`` and ``image_size``.

    Raises:
        SamAdaptError: for a setting, overlay or weights that cannot be used.
    """
    config = _read(source, TRAINING)
    merged: dict[str, Any] = {}
    for overlay in overlays:
        merged |= read_overlay(source, overlay)
    check_ids(ids, config)
    merged |= ids
    parser = ConfigParser(with_ids(config, merged))
    network, spec = parser.get_parsed_content("network_def"), parser.get_parsed_content("data_spec")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        write_model(Path(folder), network)
        write_adapter(Path(folder), network, spec)
        decided = ids_of(config, read_description(Path(folder)))
        others = {key: value for key, value in merged.items() if key not in decided and key != "checkpoint"}
        return pack_run(Path(folder), source, target, others)


def _write(
    folder: Path,
    run: Path,
    source: Path,
    description: dict[str, Any],
    ids: Mapping[str, Any],
    scores: Mapping[str, float],
) -> DataSpec:
    training, inference = _read(source, TRAINING), _read(source, INFERENCE)
    decided = ids_of(training, description)
    check_plain(DESCRIPTION, decided, run)
    settings = {**ids, **decided}
    settings["labels"] = painted_labels(settings["labels"], settings["overlapping"])
    spec = DataSpec.from_dict({**description["preprocessing"], "labels": settings["labels"]})
    configs = folder / "configs"
    write_json(packed_training(with_ids(training, settings)), configs / TRAINING)
    of_data = {key: value for key, value in settings.items() if key not in ("dataset_dir", "datalist")}
    write_json(with_ids(inference, of_data), configs / INFERENCE)
    write_json(packed_evaluation(_read(source, EVALUATE)), configs / EVALUATE)
    metadata = packed_metadata(_read(source, METADATA), spec, scores)
    write_json(metadata, configs / METADATA)
    for path in [source / "configs" / "logging.conf", *(source / "configs").glob("multi_gpu_*.json")]:
        shutil.copy(path, configs)
    _models(folder / "models", run, description, settings["labels"])
    _documents(folder, source, page(metadata, description, spec))
    return spec


def _models(folder: Path, run: Path, description: dict[str, Any], labels: Any) -> None:
    folder.mkdir()
    if (run / MODEL).is_file():
        shutil.copy(run / MODEL, folder)
    else:
        write_model(folder, network_from_adapter(run))
    if (run / ADAPTER).is_file():
        shutil.copy(run / ADAPTER, folder)
    write_hashes(run / KEPT, folder)
    own = {**description, "network": {**description["network"], "labels": labels}}
    own["preprocessing"] = {**description["preprocessing"], "labels": labels}
    write_json(own, folder / DESCRIPTION)


def _documents(folder: Path, source: Path, text: str) -> None:
    shutil.copy(source / "LICENSE", folder)
    docs = folder / "docs"
    docs.mkdir()
    (docs / "README.md").write_text(text, encoding="utf-8")
    shutil.copy(source / "docs" / "README.md", docs / "METHOD.md")
    shutil.copy(source / "docs" / "data_license.txt", docs)


def _evaluated(run: Path) -> bool:
    """Whether a run has an evaluation, and not one of earlier weights."""
    folder, model = run / EVALUATION, run / MODEL
    if not (folder / SUMMARY).is_file():
        return False
    record = json.loads((folder / MANIFEST).read_text()) if (folder / MANIFEST).is_file() else {}
    same = not model.is_file() or record.get("model_sha256") in (None, sha256(model))
    if not same:
        print(f"left out {folder}: it is of other weights than {model}; evaluate again to pack its figures")
    return same


def _evaluation(folder: Path, report: Path, with_report: bool) -> None:
    """Copy the tables, and the report when asked; without it nothing names a case, as names may be patients'."""
    folder.mkdir()
    shutil.copy(report / SUMMARY, folder)
    if with_report:
        shutil.copy(report / REPORT, folder)
    if (report / CASES).is_file():
        rows = read_cases(report / CASES)
        write_cases(rows if with_report else _unnamed(rows), folder / CASES)


def _unnamed(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(row["case"] for row in rows), 1)}
    return [{**row, "case": numbers[row["case"]], "file": ""} for row in rows]


def _read(source: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((source / "configs" / name).read_text(encoding="utf-8"))
    return content
