"""Where the time of a bundle's epoch goes: the 20 operations with most time of their own.

    python benchmarks/profile_epoch.py [--device cuda] [--variant vit_b] [--size 256] [--steps 4]

An epoch of the S-SAM bundle on procedural fundus images, with loading, logging and saving, after one that warms up.
"""

from __future__ import annotations

import argparse

import torch
from torch.profiler import ProfilerActivity, profile
from volume_cases import whole_training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--variant", default="vit_b")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cuda = options.device.startswith("cuda")
    epoch = whole_training(options.variant, options.size, options.steps, True, options.device)
    epoch()
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]) as found:
        epoch()
    time = "self_device_time_total" if cuda else "self_cpu_time_total"
    rows = sorted(found.key_averages(), key=lambda row: getattr(row, time), reverse=True)
    total = sum(getattr(row, time) for row in rows)
    print("| operation | calls | seconds | share |\n|---|---:|---:|---:|")
    for row in rows[:20]:
        spent = getattr(row, time)
        print(f"| `{row.key}` | {row.count} | {spent / 1e6:.3f} | {100 * spent / total:.1f} % |")
    print(f"| all {len(rows)} | | {total / 1e6:.3f} | |")


if __name__ == "__main__":
    main()
