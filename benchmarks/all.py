"""Everything measured against what is installed beside it, in one table.

    python benchmarks/all.py [--device cuda] [--only TEXT] [--repeats 3] [--quick] [--output benchmarks/results]

Each row is a ratio of one run: both sides have the same random weights, input and precision (float32 on a CPU, bfloat16
on CUDA), their outputs are compared first, and their repeats alternate, so that what else the machine does meets both.
Peak memory is that of a step in a process of its own (on CUDA: what the step allocates). Writes ``all.json`` and
``all.md``; a case that fails has a row that says why, and makes the exit status 1. ``--quick`` takes the nano variants
and small images, to see that it runs, and no peaks. What encoders reach of the machine's rate of matrix products:
``encoder_rate.py``. Where an epoch's time goes: ``profile_epoch.py``.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import model_cases
import peer_cases
import torch
import volume_cases
from sides import measure

from monai_samadapt.backbones import build_sam

COLUMNS = ("case", "against", "ours_s", "other_s", "faster", "target", "peak_ratio", "difference", "failed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="only the cases whose name or other side has this text")
    parser.add_argument("--sizes", default="256,512,1024")
    parser.add_argument("--slices", type=int, default=16)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for case in all_cases(options):
        if options.only in f"{case.name}, {case.other}":
            rows.append(row_of(case, options))
            print(json.dumps(rows[-1]), flush=True)
            write(rows, options)
    if failed := [row["case"] for row in rows if "failed" in row]:
        raise SystemExit(f"failed: {'; '.join(failed)}")


def row_of(case: Any, options: argparse.Namespace) -> dict[str, Any]:
    try:
        return measure(case, options.device, options.repeats, peaks=not options.quick)
    except Exception as error:
        return {"case": case.name, "against": case.other, "failed": f"{type(error).__name__}: {error}"[:300]}


def all_cases(options: argparse.Namespace) -> list[Any]:
    sam, hiera = ("vit_nano", "hiera_nano") if options.quick else ("vit_b", "hiera_t")
    sizes = [64] if options.quick else [int(size) for size in options.sizes.split(",")]
    weights = None
    if not options.quick and options.only in "start-up from a file, vit_b, segment_anything":
        weights = str(Path(mkdtemp()) / "sam.pth")
        torch.save(build_sam(sam, 1024, "random").state_dict(), weights)
    rows = model_cases.cases(sam, hiera, sizes, weights) + peer_cases.cases(sam, hiera, sizes)
    return rows + volume_cases.cases(sam, hiera, sizes[0], 2 if options.quick else options.slices)


def write(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """The table so far, as JSON and Markdown."""
    machine = f"torch {torch.__version__}, {options.device}, {options.threads} threads, {platform.processor()}"
    options.output.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine, "repeats": options.repeats, "rows": rows}
    (options.output / "all.json").write_text(json.dumps(content, indent=2) + "\n")
    lines = [" | ".join(COLUMNS), " | ".join("---" for _ in COLUMNS)]
    lines += [" | ".join("" if row.get(name) is None else str(row[name]) for name in COLUMNS) for row in rows]
    table = "\n".join(f"| {line} |" for line in lines)
    (options.output / "all.md").write_text(f"{machine}; medians of {options.repeats}\n\n{table}\n")


if __name__ == "__main__":
    main()
