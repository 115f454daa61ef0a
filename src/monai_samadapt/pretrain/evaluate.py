"""Zero-shot scores of a promptable model: by box, by one click, by five clicks, with simple shapes beside them.

Run ``python -m monai_samadapt.pretrain.evaluate --weights sam_vit_nano --data FOLDER``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from monai_samadapt.backbones import build_base
from monai_samadapt.datasets.shapes import HELD_OUT
from monai_samadapt.networks.decode import embed_points, upsample
from monai_samadapt.pretrain.decoding import decode_all, embed_mask_prompts
from monai_samadapt.pretrain.geometry import deepest_points, grown, next_clicks, simple_shapes
from monai_samadapt.pretrain.losses import mask_iou
from monai_samadapt.pretrain.promptable import Features, encode, prompt_encoder
from monai_samadapt.pretrain.samples import REAL_SETS, Sample, procedural_samples, real_samples
from monai_samadapt.prompts import BOTTOM_RIGHT, PADDING, POSITIVE, TOP_LEFT, tight_boxes

CLICKS = 5
MODES = ("box", "loose_box", "point", "point_predicted", "clicks", "filled_box", "ellipse")


@torch.no_grad()
def score(sam: nn.Module, sample: Sample) -> dict[str, Tensor]:
    """Measure the IoU (P,) of each object of one image by each mode, on the grid of the model's input.

    ``box`` is mask 0 by the tight box, ``loose_box`` by one with a tenth of its side more on every side; ``point`` the
    best of the three masks by the point deepest in the object (Euclidean distance to the border), ``point_predicted``
    the one with the highest predicted IoU; ``clicks`` mask 0 after five clicks, each next one deepest in the larger of
    the missed and the wrongly covered region, with the previous logits as mask prompt; ``filled_box`` and ``ellipse``
    are the box itself and the ellipse inscribed in it.
    """
    masks, size = sample.masks, sample.image.shape[-1]
    features = encode(sam, sample.image[None])
    truth = masks[None].float()
    corners = tight_boxes(masks)
    scores = {
        "box": _boxed(sam, features, corners, truth),
        "loose_box": _boxed(sam, features, grown(corners, size), truth),
    }
    points = deepest_points(masks)[None]
    found, quality, answer = _click(sam, features, points, truth)
    best = quality[0, :, 1:].argmax(-1, keepdim=True) + 1
    scores["point"] = found[:, 1:].amax(-1)
    scores["point_predicted"] = found.gather(1, best)[:, 0]
    scores["clicks"] = _corrected(sam, features, points, answer, truth)
    scores["filled_box"], scores["ellipse"] = simple_shapes(corners, masks)
    return scores


def _boxed(sam: nn.Module, features: Features, boxes: Tensor, truth: Tensor) -> Tensor:
    labels = torch.tensor([TOP_LEFT, BOTTOM_RIGHT]).expand(1, len(boxes), 2)
    logits, _ = _decode(sam, features, boxes.unflatten(-1, (2, 2))[None], labels, None)
    return mask_iou(upsample(logits[0, :, :1], truth.shape[-1])[:, 0], truth[0])


def _decode(
    sam: nn.Module, features: Features, coordinates: Tensor, labels: Tensor, answer: Tensor | None
) -> tuple[Tensor, Tensor]:
    used = torch.ones(labels.shape[:2], dtype=torch.bool)
    dense = None if answer is None else embed_mask_prompts(sam, answer, used)
    return decode_all(sam, features, embed_points(prompt_encoder(sam), coordinates, labels), dense)


def _click(sam: nn.Module, features: Features, points: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One click: IoU (P, 4) of the masks, predicted quality and the logits of the best three by that quality."""
    coordinates = torch.stack([points, torch.zeros_like(points)], dim=2)
    labels = torch.tensor([POSITIVE, PADDING]).expand(1, points.shape[1], 2)
    logits, quality = _decode(sam, features, coordinates, labels, None)
    found = mask_iou(upsample(logits[0], truth.shape[-1]), truth[0, :, None])
    chosen = quality[..., 1:].argmax(-1) + 1
    answer = logits.gather(2, chosen[..., None, None, None].expand(-1, -1, 1, *logits.shape[-2:]))[:, :, 0]
    return found, quality, answer


def _corrected(sam: nn.Module, features: Features, points: Tensor, answer: Tensor, truth: Tensor) -> Tensor:
    coordinates = torch.stack([points, torch.zeros_like(points)], dim=2)
    labels = torch.tensor([POSITIVE, PADDING]).expand(1, points.shape[1], 2)
    for _ in range(CLICKS - 1):
        found = upsample(answer, truth.shape[-1]) > 0
        click, label = next_clicks(found[0], truth[0] > 0)
        coordinates = torch.cat([click[None, :, None], coordinates], dim=2)
        labels = torch.cat([label[None, :, None], labels], dim=2)
        logits, _ = _decode(sam, features, coordinates, labels, answer)
        answer = logits[:, :, 0]
    return mask_iou(upsample(answer, truth.shape[-1])[0], truth[0])


def mean_scores(sam: nn.Module, samples: Iterable[Sample]) -> dict[str, float]:
    """Average each mode over all objects of ``samples``; ``objects`` is their number."""
    rows = [score(sam, sample) for sample in samples]
    means = {mode: float(torch.cat([row[mode] for row in rows]).mean()) for mode in MODES}
    return {"objects": float(sum(len(row["box"]) for row in rows)), **means}


def main(arguments: list[str] | None = None) -> None:
    """Print one JSON line a family of held-out shapes and a folder of real samples."""
    parser = argparse.ArgumentParser(prog="python -m monai_samadapt.pretrain.evaluate", description=__doc__)
    parser.add_argument("--weights", default="sam_vit_nano", help="registry name or file")
    parser.add_argument("--variant", default="vit_nano")
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--images", type=int, default=64, help="procedural images a family")
    parser.add_argument("--data", type=Path, help="folder with the real samples")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    sam = build_base(options.variant, options.image_size, options.weights)
    for family in HELD_OUT:
        _report(family, mean_scores(sam, procedural_samples(family, options.image_size, options.images)))
    for name in REAL_SETS if options.data else ():
        _report(name, mean_scores(sam, real_samples(options.data / name, options.image_size)))


def _report(name: str, means: dict[str, float]) -> None:
    print(json.dumps({"set": name, **{mode: round(value, 4) for mode, value in means.items()}}), flush=True)


if __name__ == "__main__":
    main()
