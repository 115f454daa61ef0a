"""The settings of the data, and the one place that turns them into transforms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from monai.transforms import Compose, Transform

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.labels import Labels, LabelSpec
from monai_samadapt.transforms.chains import CHAINS, Chain
from monai_samadapt.transforms.compose import OneLineCompose
from monai_samadapt.transforms.prompts import FilePromptsd
from monai_samadapt.transforms.restore import DropChanneld, RestoreSegmentationd
from monai_samadapt.transforms.save import SaveSegmentationd, check_extension
from monai_samadapt.transforms.settings import (
    check_fundus,
    check_nested,
    check_spacing,
    check_window,
    file_names,
    plain_values,
)
from monai_samadapt.transforms.volume_prompts import stand_upright, to_slices

RESERVED = ("points", "point_labels", "label_ids", "prompt_source")
"""Entries that transforms add to an item."""


@dataclass(frozen=True)
class DataSpec:
    """What the images are and how the network sees them; shared by training, evaluation, inference and MONAI Label.

    The network sees (3, S, S): rows grow downwards (to posterior), columns to the right (to the patient's left); the
    longer side of the image fills S, the rest at the lower right is 0 after normalising.

    Attributes:
        modality: ``ct`` (volumes in HU), ``mri`` (volumes without a unit, each scaled from its 0.5th to its 99.5th
            percentile), ``image2d`` (PNG, JPG, TIFF; RGB or grey) or ``fundus`` (photographs of the retina: black and
            without results outside the field of view, which is the item's ``mask`` or is found).
        labels: names of the labels, or a mapping from names to values; see `LabelSpec.parse`.
        overlapping: label files have one channel (or file) for each label.
        image_size: side S of the network's input in pixels.
        window: lowest and highest HU, mapped to 0 and 1; needed for ``ct``, refused for ``mri``, not used by others.
        spacing: size of a pixel in the plane for the network, in mm: one number, or rows and columns; by default the
            longer side fills S. For volumes.
        neighbours: the three channels are the slice below, the slice, the slice above (volumes), not three times the
            slice.
        channels: ``rgb``, ``green`` or ``clahe`` (``fundus``); see `ColourChannelsd`.
        crop: side of a square around the optic disc that the network sees instead of the photograph (``fundus``); see
            `CropAtDiscd`.
        nested: each overlapping label lies inside the one before it, as a cup in its disc; see `nest`.

    Raises:
        SamAdaptError: when a value is impossible.
    """

    modality: str
    labels: Labels
    overlapping: bool = False
    image_size: int = 256
    window: Sequence[float] | None = None
    spacing: float | Sequence[float] | None = None
    neighbours: bool = False
    channels: str = "rgb"
    crop: float | None = None
    nested: bool = False

    def __post_init__(self) -> None:
        if self.modality not in CHAINS:
            raise SamAdaptError("modality", self.modality, "is unknown", f"give one of {', '.join(CHAINS)}")
        if not isinstance(self.image_size, int) or self.image_size < 1:
            raise SamAdaptError("image_size", self.image_size, "is no number of pixels", "give e.g. 256")
        object.__setattr__(self, "window", check_window(self.window, self.modality))
        object.__setattr__(self, "spacing", check_spacing(self.spacing))
        check_fundus(self.modality, self.channels, self.crop)
        check_nested(self.nested, self.label_spec)
        if not self.volumes and not self.label_spec.exclusive:  # a file for each label
            file_names(self.label_spec)

    @property
    def label_spec(self) -> LabelSpec:
        """The parsed labels."""
        return LabelSpec.parse(self.labels, self.overlapping)

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """``spacing`` along rows and columns."""
        return check_spacing(self.spacing)

    @property
    def chain(self) -> Chain:
        """The transforms of the modality."""
        return CHAINS[self.modality](self)

    @property
    def volumes(self) -> bool:
        """Whether the images are volumes, seen slice by slice."""
        return CHAINS[self.modality].dimensions == 3

    @property
    def output_ext(self) -> str:
        """Suffix of the files predictions are saved to, unless asked otherwise."""
        return self.chain.formats[0]

    @property
    def metric_spacing(self) -> Literal["affine"] | None:
        """``affine`` where the files have a voxel size in mm; None for pictures, whose distances are in pixels."""
        return "affine" if self.volumes else None

    def slices_per_volume(self, batch_size: int, samples_per_volume: int) -> int:
        """How many slices are drawn from a volume each time: no more than a batch may have."""
        return min(batch_size, samples_per_volume)

    def items_per_batch(self, batch_size: int, samples_per_volume: int) -> int:
        """How many items of the data list make a batch of at most ``batch_size`` images: a volume gives several."""
        return batch_size // self.slices_per_volume(batch_size, samples_per_volume) if self.volumes else batch_size

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        plain: dict[str, Any] = plain_values(asdict(self))
        return plain

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> DataSpec:
        """Read what `to_dict` gave.

        Raises:
            SamAdaptError: for unknown or missing settings.
        """
        known = {field.name for field in fields(cls)}
        unknown, missing = set(settings) - known, {"modality", "labels"} - set(settings)
        if unknown or missing:
            problem = f"unknown: {sorted(unknown)}, missing: {sorted(missing)}"
            raise SamAdaptError("preprocessing", sorted(settings), problem, f"give {sorted(known)}")
        return cls(**settings)

    def training_transforms(self, samples_per_volume: int = 4, augment: bool = True) -> OneLineCompose:
        """Transforms from paths ``image`` and ``label`` to training samples.

        A sample has ``image`` (3, S, S) float32, normalised, whose meta has the file name, and ``label`` (1, S, S) or
        (K, S, S) uint8. A volume gives a list of samples, a picture one. `CacheDataset` caches what comes before the
        first random transform (for a volume its fitted slices as float16); ``copy_cache=False`` is safe.

        Args:
            samples_per_volume: slices drawn from a volume each time, half of them with a label.
            augment: change the samples at random.
        """
        if samples_per_volume < 1:
            raise SamAdaptError("samples_per_volume", samples_per_volume, "is no number of slices", "give e.g. 4")
        return self.chain.training(samples_per_volume, augment)

    def inference_transforms(self) -> OneLineCompose:
        """Transforms from the path ``image`` to (3, S, S), or (3, S, S, D) for volumes; invertible.

        An item's ``prompts`` become ``points`` and ``point_labels``; see `monai_samadapt.transforms.prompts`.
        """
        return self.chain.inference()

    def evaluation_transforms(self, seed: int = 0) -> OneLineCompose:
        """As for inference; ``label`` (1, …) or (K, …) and an optional ``mask`` (1, …) on the source grid, uint8.

        The item's ``prompt_mode`` tells its prompts: ``none`` by default; ``seed`` is that of drawn ones.
        `CacheDataset` caches a volume's fitted slices as float32 of one channel; ``copy_cache=False`` is safe.
        """
        return self.chain.evaluation(seed)

    def check_item(self, item: Mapping[str, Any]) -> None:
        """Read an item of a datalist, for a check before a run.

        Raises:
            SamAdaptError: when a file is missing, cannot be read or does not fit the settings or its image.
        """
        for key in RESERVED:
            if key in item:
                remedy = "put prompts under 'prompts', and rename others"
                raise SamAdaptError("datalist", key, f"is an entry of {item['image']} that is made later", remedy)
        checked = FilePromptsd(self.label_spec)(self.chain.check(item))
        if self.volumes and "points" in checked:
            to_slices(checked["points"], checked["point_labels"], stand_upright(checked["image"]))

    def postprocessing(
        self,
        preprocessing: Compose,
        output_dir: str | None = None,
        data_root_dir: str | Sequence[str] = "",
        probabilities: bool = False,
        activation: str = "sigmoid",
        output_ext: str | None = None,
        drop_channel: bool = False,
    ) -> OneLineCompose:
        """Transforms from the logits ``pred`` to label maps on the source grid.

        Args:
            preprocessing: the transforms that made ``image``, the same object.
            output_dir: where to save; nothing is saved by default. See `SaveSegmentationd` for names and formats.
            data_root_dir: folder, or several, below which the sources' folders are kept in ``output_dir``.
            probabilities: also give, and save, ``prob``.
            activation: ``sigmoid`` or ``softmax``; see `RestoreSegmentationd`.
            output_ext: file suffix; by default that of the source, if it can be written, else ``.nii.gz`` or ``.png``.
            drop_channel: end with a map without channel axis, as MONAI Label needs; see `DropChanneld`.

        Returns:
            Transforms that give ``pred`` as uint8 (1, …), or (K, …) for overlapping labels, and ``prob`` (K, …).
        """
        spec = self.label_spec
        confined = self.chain.confined
        restore = RestoreSegmentationd(preprocessing, spec.exclusive, probabilities, activation, self.nested, confined)
        steps: list[Transform] = [restore]
        if output_dir is not None:
            steps.append(self.saver(output_dir, data_root_dir, output_ext))
        return OneLineCompose([*steps, DropChanneld()] if drop_channel else steps)

    def saver(
        self, output_dir: str, data_root_dir: str | Sequence[str] = "", output_ext: str | None = None
    ) -> SaveSegmentationd:
        """What writes the results; see `postprocessing`."""
        known = self.chain.formats
        formats = known if output_ext is None else (check_extension(output_ext, known),)
        return SaveSegmentationd(output_dir, self.label_spec, formats, data_root_dir)
