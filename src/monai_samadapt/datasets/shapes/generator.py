"""Batches of procedural images with object masks, for the pretraining of promptable models."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_samadapt.datasets.shapes import effects
from monai_samadapt.datasets.shapes.draw import Draw
from monai_samadapt.datasets.shapes.families import FAMILIES, TRAINING
from monai_samadapt.datasets.shapes.paint import paint
from monai_samadapt.datasets.shapes.scene import LAYERS, Canvas, Scene
from monai_samadapt.datasets.shapes.styles import draw_styles
from monai_samadapt.errors import SamAdaptError

MIN_AREA, MAX_AREA, MIN_VISIBLE = 0.0012, 0.85, 0.45


class ShapesGenerator:
    """Makes images of shapes, tissues and vessels with the masks of the objects in them.

    Every call gives a new batch; the same generator state gives the same batches. All images of a batch are computed
    together, in groups of one family, on the generator's device. Shapes are evaluated on a grid of half the size.

    Args:
        size: side S of the images in pixels, even and at least 32.
        batch: number of images B.
        families: names out of ``FAMILIES`` to draw from; by default all but ``HELD_OUT``.
        generator: seeded generator, whose device is used; by default one seeded with 0 on the CPU.

    Raises:
        SamAdaptError: when ``size`` is odd or small, ``batch`` is below 1, or a family is unknown.
    """

    def __init__(
        self, size: int, batch: int, families: Sequence[str] = TRAINING, generator: torch.Generator | None = None
    ) -> None:
        if size < 32 or size % 2:
            raise SamAdaptError("size", size, "is odd or below 32", "give an even side, e.g. 128")
        if batch < 1:
            raise SamAdaptError("batch", batch, "is below 1", "give a number of images")
        if not families or (unknown := sorted(set(families) - set(FAMILIES))):
            problem = f"unknown: {unknown}" if families else "is empty"
            raise SamAdaptError("families", list(families), problem, f"choose from {list(FAMILIES)}")
        self.size, self.batch, self.families = size, batch, tuple(families)
        self.draw = Draw(torch.Generator().manual_seed(0) if generator is None else generator)

    @torch.no_grad()
    def __call__(self) -> tuple[Tensor, Tensor, Tensor]:
        """Make a batch.

        Returns:
            images (B, 3, S, S) float32 in 0 … 1, masks (B, 6, S, S) bool and valid (B, 6) bool. A valid mask has at
            least 0.12 % and at most 85 % of the image and 45 % of its shape visible; the others are empty. Masks may
            lie in each other (a part and its whole).
        """
        draw, scene = self.draw, self._scene()
        style = draw_styles(draw, self.batch)
        view = effects.field_of_view(draw, self.batch, self.size, style)
        distance = F.interpolate(scene.distance, size=(self.size, self.size), mode="bilinear")
        value, hue = paint(draw, scene, distance, style)
        value = effects.shadow(draw, value, distance[:, 1], style)
        value = effects.blur(draw, effects.light(draw, value, style))
        value = effects.glints(draw, effects.noise(draw, value, style), style)
        images = effects.close_view(draw, effects.colours(draw, value, hue, style), view)
        masks, valid = visible_masks(scene, distance, view)
        return images, masks, valid

    def _scene(self) -> Scene:
        """Draw a family for each image and compute the images of each family together."""
        chosen = self.draw.integers(0, len(self.families), self.batch)
        counts = torch.bincount(chosen, minlength=len(self.families)).tolist()
        scenes = [
            FAMILIES[name](Canvas(self.draw, count, self.size // 2))
            for name, count in zip(self.families, counts, strict=True)
            if count
        ]
        return Scene.join(scenes).reorder(chosen.argsort(stable=True).argsort())


def visible_masks(scene: Scene, distance: Tensor, view: Tensor) -> tuple[Tensor, Tensor]:
    """Cut what is hidden or out of view from the shapes, and drop masks too small, too large or mostly hidden.

    A shape is cut by the opaque ones painted later, except by its parts: those it is the parent of, and those whose
    centre lies in it.

    Args:
        scene: the layers' relations.
        distance: (B, L, S, S).
        view: (B, S, S) bool, the field of view.

    Returns:
        masks (B, L - 1, S, S) bool and valid (B, L - 1) bool.
    """
    whole = distance < 0
    part = _parts(scene)
    masks = whole & view.unsqueeze(1)
    for upper in range(2, LAYERS):
        cuts = (scene.opaque[:, upper, None] & ~part[:, :upper, upper])[..., None, None]
        masks[:, :upper] &= ~(cuts & whole[:, upper, None])
    masks, whole = masks[:, 1:], whole[:, 1:]
    area, full = (part.sum((-2, -1)) for part in (masks, whole))
    pixels = distance.shape[-1] ** 2
    valid = enough_left(area, full, pixels) & (area <= MAX_AREA * pixels)
    return masks & valid[..., None, None], valid


def enough_left(area: Tensor, full: Tensor, pixels: int) -> Tensor:
    """Whether so much of a shape is in sight, ``area`` of ``full`` in an image of ``pixels``, that it is an object."""
    return (area >= MIN_AREA * pixels) & (area >= MIN_VISIBLE * full)


def _parts(scene: Scene) -> Tensor:
    """(B, L, L) whether the second layer is a part of the first."""
    size = scene.distance.shape[-1]
    pixel = ((scene.centre + 1) / 2 * size).long().clamp(0, size - 1)
    index = (pixel[..., 1] * size + pixel[..., 0])[:, None].expand(-1, LAYERS, -1)
    inside = scene.distance.flatten(2).gather(2, index) < 0
    layers = torch.arange(LAYERS, device=scene.parent.device)
    return inside | (scene.parent[:, None, :] == layers[None, :, None])
