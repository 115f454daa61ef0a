"""Where the images of a pretraining run come from: made on the run's device, some steps ahead where that pays."""

from __future__ import annotations

import torch

from monai_samadapt.datasets.shapes import ShapesGenerator
from monai_samadapt.pretrain.padding import pad_some
from monai_samadapt.pretrain.scenes import Scenes
from monai_samadapt.pretrain.train import SHARDS


class ProceduralScenes:
    """Procedural scenes of the training families, some of them not square.

    The generator takes about two thousand small operations a batch, whatever its size: on a GPU, where starting them is
    what takes the time, the images of several steps are made together.

    Args:
        device: to make the images on.
        ahead: steps whose images are made together. With 1 the images of a step depend on its seed alone; with more, a
            run that is interrupted goes on with other images than it would have had.
    """

    def __init__(self, device: torch.device, ahead: int = 1) -> None:
        self.device, self.ahead = device, ahead
        self._left: dict[tuple[int, int, int], list[Scenes]] = {}

    def __call__(self, size: int, images: int, seed: int) -> Scenes:
        """Take ``images`` scenes of side ``size``; ``seed`` as the training loop counts it, step and shard."""
        left = self._left.setdefault((size, images, seed % SHARDS), [])
        if not left:
            left += self._make(size, images * self.ahead, seed).split(images)
        return left.pop(0)

    def _make(self, size: int, images: int, seed: int) -> Scenes:
        generator = torch.Generator(self.device).manual_seed(seed)
        return pad_some(Scenes(*ShapesGenerator(size, images, generator=generator)()), generator)
