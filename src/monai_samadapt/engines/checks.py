"""Checks of settings, weights and files; each raises an error that names key, value and remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from pydoc import locate
from tempfile import TemporaryFile
from typing import Any

import ignite.distributed as idist
import torch

from monai_samadapt.backbones import SAM2_VARIANTS, SAM_VARIANTS, build_base, family_of
from monai_samadapt.backbones.loading import read_state
from monai_samadapt.backbones.resolve import resolve_checkpoint
from monai_samadapt.backbones.sam2 import check_version
from monai_samadapt.backbones.variants import variant_of
from monai_samadapt.datasets import check_files
from monai_samadapt.datasets.split import PATH_KEYS
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import atomic_path
from monai_samadapt.processes import share
from monai_samadapt.transforms import DataSpec

Items = Sequence[dict[str, Any]]
RANGES: dict[str, tuple[Any, float, float]] = {
    "seed": (int, 0, 2**32 - 1),
    "num_workers": (int, 0, inf),
    "prefix_copies": (int, 0, inf),
    "early_stop_patience": (int, 0, inf),
    "cache_rate": ((int, float), 0, 1),
}
"""Ids of a training: their type, the least and the greatest value."""
CHECKED = ("centre", "prompts")
"""What `DataSpec.check_item` looks at beside files."""


def check_device(device: str) -> None:
    """Refuse an unknown device, CUDA where there is none, and the number of one that is not there."""
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise SamAdaptError("device", device, "unknown device", "give cpu, cuda or cuda:1") from error
    if found.type != "cuda":
        return
    if not torch.cuda.is_available():
        raise SamAdaptError("device", str(device), "no CUDA device is available", "set device to cpu")
    last = torch.cuda.device_count() - 1
    if found.index is not None and found.index > last:
        raise SamAdaptError("device", str(device), "no such device", f"give one from cuda:0 to cuda:{last}")


def check_network(variant: str, image_size: int, network: str) -> None:
    """Refuse a variant the network is not made for, or an image size it cannot have; this costs next to nothing.

    Args:
        variant, image_size: ids of these names.
        network: full name of the network's class.
    """
    families = {"sam": list(SAM_VARIANTS), "sam2": list(SAM2_VARIANTS)}
    family: str | None = getattr(locate(network), "family", None)
    if family is not None and variant not in families[family]:
        remedy = f"choose one of {', '.join(families[family])}"
        raise SamAdaptError("variant", variant, f"unknown {family.upper()} variant", remedy)
    with torch.device("meta"):
        build_base(variant, image_size, None)


def check_model_file(model_file: str) -> None:
    """Refuse weights that are not there."""
    check_path("model_file", model_file)
    if not Path(model_file).is_file():
        raise SamAdaptError("model_file", model_file, "no such file", "train first, or give the model.pt of a run")


def check_base(checkpoint: str | None, variant: str, sam2_version: str = "2.1") -> None:
    """Refuse base weights of another variant or version before the network is built."""
    check_path("checkpoint", checkpoint)
    family = family_of(variant)
    path = resolve_checkpoint(checkpoint, family, variant).path
    if path is None:
        return
    state = read_state(path, mapped=True)
    if (found := variant_of(state)) != variant:
        remedy = f"set variant to {found} or give the weights of {variant}"
        raise SamAdaptError("checkpoint", checkpoint, f"holds {found or 'no SAM or SAM2'}, not {variant}", remedy)
    if family == "sam2":
        check_version(state, str(sam2_version), str(checkpoint))


def check_items(cases: Items, spec: DataSpec, memory: Path | None = None) -> None:
    """Read every image and label once; files that passed before, by ``memory``, and did not change are left out.

    Several processes read a share each, and remember it in a file of their own.
    """
    rank, world = idist.get_rank(), idist.get_world_size()
    memory = memory.with_name(f"{memory.stem}_{rank}{memory.suffix}") if memory is not None and rank else memory
    passed = set(json.loads(memory.read_text())) if memory is not None and memory.is_file() else set()
    prints = {_fingerprint(item, spec): item for item in share(cases, rank, world)}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(spec.check_item, [item for key, item in prints.items() if key not in passed]))
    if memory is not None:
        with atomic_path(memory) as temporary:
            temporary.write_text(json.dumps(sorted(prints)))


def _fingerprint(item: dict[str, Any], spec: DataSpec) -> str:
    """All that the check of an item reads, as text: its files, or those of its folders, and what the datalist says."""
    check_files(item)
    paths = [Path(item[key]) for key in PATH_KEYS if key in item]
    stats = [(file, file.stat()) for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    files = [(str(file), stat.st_size, stat.st_mtime_ns) for file, stat in stats]
    said = {key: item[key] for key in CHECKED if key in item}
    return json.dumps([[item["image"], *files], said, spec.to_dict()], sort_keys=True)


def check_counts(counts: Mapping[str, int]) -> None:
    """Refuse numbers below 1."""
    for key, value in counts.items():
        if not isinstance(value, int) or value < 1:
            raise SamAdaptError(key, value, "is no positive number", "give 1 or more")


def check_ranges(config: Mapping[str, Any] | None) -> None:
    """Refuse values of a running configuration's ids outside of `RANGES`; expressions are not looked at."""
    for key, (number, low, high) in RANGES.items():
        value = (config or {}).get(key, low)
        if isinstance(value, str) and value.startswith(("$", "@")):
            continue
        if not isinstance(value, number) or not low <= value <= high:
            what = "a number from 0 to 1" if high == 1 else "a whole number from 0"
            raise SamAdaptError(key, value, f"is not {what}", f"give e.g. {min(high, 1)}")


def check_path(key: str, value: str | None) -> None:
    """Refuse a path that MONAI's configuration, or its command line, would have changed."""
    if value is not None and not isinstance(value, (str, Path)):
        raise SamAdaptError(key, value, "was read as a number", f"put ./ before it: ./{value}")
    check_hash(key, value, "rename the folder so that it has no '#'")


def check_folder(key: str, value: str) -> None:
    """Refuse a folder that cannot be written to, or made; makes none."""
    check_path(key, value)
    folder = Path(value).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise SamAdaptError(key, value, f"cannot be written ({error.strerror})", "give another folder") from error


def check_hash(key: str, value: str | None, remedy: str) -> None:
    """Refuse a text that had, or has, a ``#``."""
    if value is not None and ("::" in str(value) or "#" in str(value)):
        raise SamAdaptError(key, value, "MONAI's configuration reads '#' as '::'", remedy)
