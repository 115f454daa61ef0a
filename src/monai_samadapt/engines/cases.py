"""The cases that this process has to segment: its share of a list, without those that are done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_samadapt.errors import SamAdaptError, exits_in_one_line
from monai_samadapt.processes import launched, share
from monai_samadapt.transforms import DataSpec


@exits_in_one_line
def own_cases(
    items: Sequence[dict[str, Any]],
    spec: DataSpec,
    output_dir: str,
    data_root_dir: str | Sequence[str] = "",
    probabilities: bool = False,
    skip_finished: bool = False,
    shard: Sequence[int] | None = None,
) -> list[dict[str, Any]]:
    """Every n-th case of a list, less those whose results are there.

    The division is made before anything is skipped, so that processes that start at different times, or again, agree
    on it. Results appear complete or not at all: one that is there is finished.

    Args:
        items: all cases, in the same order for every process.
        spec, output_dir, data_root_dir, probabilities: say which files a case is written to.
        skip_finished: leave out the cases whose files are all there.
        shard: number of this process, from 0, and of all; by default those that ``torchrun`` tells.

    Raises:
        SamAdaptError: for an impossible shard, two cases that would be written to the same file, or results among the
            images.
    """
    number, count = check_shard(shard)
    saver = spec.saver(output_dir, data_root_dir)
    files = [saver.outputs(str(item["image"]), probabilities) for item in items]
    pairs = share(list(zip(items, files, strict=True)), number, count)
    check_beside(items, files, output_dir, data_root_dir)
    left = [item for item, outputs in pairs if not (skip_finished and all(path.is_file() for path in outputs))]
    part = f" of part {number} of {count}" if count > 1 else ""
    print(f"{len(left)} of {len(pairs)} cases{part} are to be done; results go to {output_dir}", flush=True)
    return left


def check_beside(
    items: Sequence[dict[str, Any]], files: Sequence[list[Path]], output_dir: str, data_root_dir: str | Sequence[str]
) -> None:
    """Refuse results beside the images of a folder, which would be taken for images the next time."""
    first = data_root_dir if isinstance(data_root_dir, str) else next(iter(data_root_dir), "")
    if not Path(first).is_dir() or not first:
        return
    for item, outputs in zip(items, files, strict=True):
        folder = Path(str(item["image"])).resolve().parent
        if outputs[0].resolve().parent == folder:
            problem = f"results would lie beside the images in {folder}"
            raise SamAdaptError("output_dir", output_dir, problem, "give another folder")


def check_shard(shard: Sequence[int] | None) -> tuple[int, int]:
    """The number of this process and of all."""
    if shard is None:
        return launched()
    whole = isinstance(shard, Sequence) and len(shard) == 2 and all(isinstance(value, int) for value in shard)
    if not whole or not 0 <= shard[0] < shard[1]:
        raise SamAdaptError("shard", shard, "is no part of a whole", "give e.g. [0, 4] to [3, 4]")
    return shard[0], shard[1]
