"""The split of a training, kept beside its model: what was trained on is neither tested nor divided anew."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import ignite.distributed as idist

from monai_samadapt.datasets import SECTIONS, load_datalist, read_split, write_split
from monai_samadapt.datasets.decathlon import load_json, section_items
from monai_samadapt.datasets.split import unlabelled_notes
from monai_samadapt.engines.checks import Items, check_path
from monai_samadapt.engines.lock import take
from monai_samadapt.engines.previous import set_aside
from monai_samadapt.errors import SamAdaptError, exits_in_one_line
from monai_samadapt.processes import agreed
from monai_samadapt.reports.jsonfile import write_json
from monai_samadapt.run_files import CHECKPOINT, KEPT
from monai_samadapt.transforms import DataSpec

HASHES = "seen.json"
SEEN = ("training", "validation")


@exits_in_one_line
def evaluation_items(
    dataset_dir: str, datalist: str | None, section: str, seed: int, model_file: str
) -> list[dict[str, Any]]:
    """The items of one section, all with a label, none of which the training of ``model_file`` had in another one.

    Ends the run in one line when they cannot be listed, or `check_kept` refuses them.
    """
    check_path("dataset_dir", dataset_dir)
    check_path("datalist", datalist)
    items = load_datalist(dataset_dir, datalist, section, seed, labelled=True)
    check_kept(items, section, Path(model_file).parent / KEPT, datalist, seed)
    return items


@agreed
@exits_in_one_line
def save_split(
    dataset_dir: str,
    datalist: str | None,
    output_dir: str,
    seed: int,
    resume: bool = False,
    spec: DataSpec | None = None,
) -> None:
    """Write the split a run uses to ``datalist.json`` of its output folder, where it comes from ``dataset_dir``.

    A run that is resumed must still have the split it began with; see `check_kept`. One that is not leaves nothing of
    an earlier run beside it; see `set_aside`. No other training may be writing there. Where the data name their values,
    ``spec`` must not contradict them.
    """
    if idist.get_rank() != 0:
        return
    path = Path(output_dir) / KEPT
    resumed = resume and path.with_name(CHECKPOINT).is_file()
    split = read_split(dataset_dir, datalist, seed) if Path(dataset_dir).exists() else None
    if split is not None and spec is not None:
        spec.label_spec.check_values(split.labels)
    if split is not None and resumed:
        for section in SECTIONS:
            check_kept(split.section(section), section, path, datalist, seed)
    take(path.parent)
    if not resumed:
        set_aside(path.parent)
    if split is not None:
        write_split(split, path, keep_root=True)
        print("; ".join([f"cases: {split.counts()}", *unlabelled_notes(split.unlabelled)]), flush=True)


def check_kept(items: Items, section: str, kept: Path, datalist: str | None, seed: int) -> None:
    """Refuse items that a training had in another section, for training or for validation.

    Args:
        items: with ``image``; compared by its resolved path.
        section: that they are in now.
        kept: the training's ``datalist.json``, beside which ``seen.json`` may stand in for it; where there is neither,
            nothing is refused.
        datalist, seed: the ids that decide where an item is.

    Raises:
        SamAdaptError: with the number of such items and the first one.
    """
    if not kept.is_file():
        kept = kept.with_name(HASHES)
    section_of = _sections(kept) if kept.is_file() else {}
    before = {str(item["image"]): section_of.get(_hash(item["image"]), section) for item in items}
    moved = [f"{old} ({image})" for image, old in before.items() if old != section]
    if moved:
        key, value = ("seed", seed) if datalist is None else ("datalist", datalist)
        problem = f"{len(moved)} of {len(before)} cases of {section} are elsewhere in {kept}, the first in {moved[0]}"
        given = f"--datalist {kept}" if kept.name == KEPT else "the datalist"
        raise SamAdaptError(key, value, problem, f"give {given}, or the seed and the cases of that training")


def write_hashes(kept: Path, folder: Path) -> None:
    """Write which images weights have seen, for a folder that is passed on: hashes, as paths may name patients.

    Args:
        kept: the training's ``datalist.json``; where there is none, nothing is written.
        folder: of ``seen.json``, whose other images stay in it.
    """
    if kept.is_file():
        path = folder / HASHES
        write_json({**(_sections(path) if path.is_file() else {}), **_sections(kept)}, path)


def _sections(kept: Path) -> dict[str, str]:
    """The section of each image that a training has seen, by the hash of its path."""
    if kept.name == HASHES:
        known: dict[str, str] = json.loads(kept.read_text(encoding="utf-8"))
        return known
    content = load_json(kept)
    root = Path(content.get("root", kept.parent))
    items = [(item, section) for section in SEEN for item in section_items(content, section, kept, root)]
    return {_hash(item["image"]): section for item, section in items}


def _hash(image: str) -> str:
    return hashlib.sha256(str(Path(image).resolve()).encode()).hexdigest()
