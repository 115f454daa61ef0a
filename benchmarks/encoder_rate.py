"""How near the image encoders come to the machine's rate of matrix products.

    python benchmarks/encoder_rate.py [--device cuda] [--compile] [--variants vit_b,vit_l,vit_h] [--batches 1,8]

torch counts the FLOP of a forward pass from the shapes (two for each multiplication and addition of matrix products,
convolutions and attention); they are divided by its time. The rate to compare with is the best of a large square matrix
product in the same precision: bfloat16 on CUDA, float32 on a CPU. Weights are random.
"""

from __future__ import annotations

import argparse
import statistics

import torch
from model_cases import images
from peer_cases import encode_of
from sides import precision, timed
from torch.utils.flop_counter import FlopCounterMode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--variants", default="vit_b,hiera_t")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--batches", default="1")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    best = matrix_rate(options.device)
    print(f"matrix products: {best / 1e12:.3f} TFLOP/s")
    print("| encoder | seconds | GFLOP | TFLOP/s | of the matrix products |\n|---|---:|---:|---:|---:|")
    for variant in options.variants.split(","):
        for batch in map(int, options.batches.split(",")):
            print(row(variant, batch, best, options), flush=True)


def matrix_rate(device: str) -> float:
    """FLOP/s of the best of several square matrix products."""
    side, kind = (8192, torch.bfloat16) if device.startswith("cuda") else (2048, torch.float32)
    matrix = torch.randn(side, side, device=device, dtype=kind)
    return 2 * side**3 / min(timed(lambda: matrix @ matrix, device) for _ in range(20))


@torch.inference_mode()
def row(variant: str, batch: int, best: float, options: argparse.Namespace) -> str:
    image = images(batch, options.size, options.device)
    _, encode = encode_of(variant, options.size, True, options.device)
    with precision(options.device), FlopCounterMode(display=False) as counter:
        encode(image)
    if options.compile:
        encode = torch.compile(encode)
    with precision(options.device):
        for _ in range(3 if options.device.startswith("cuda") else 1):
            encode(image)
        seconds = statistics.median(timed(lambda: encode(image), options.device) for _ in range(options.repeats))
    flop = counter.get_total_flops()
    name = f"{variant}, {options.size} px x {batch}{', compiled' if options.compile else ''}"
    rate = flop / seconds
    return f"| {name} | {seconds:.3f} | {flop / 1e9:.0f} | {rate / 1e12:.3f} | {100 * rate / best:.0f} % |"


if __name__ == "__main__":
    main()
