"""The chain of transforms of each modality."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from monai.transforms import Orientationd, ScaleIntensityRanged, SpatialPadd, Transform

from monai_samadapt.transforms import save
from monai_samadapt.transforms.augment import ct_augmentation, picture_augmentation
from monai_samadapt.transforms.clicked_slices import KeepClickedSlicesd
from monai_samadapt.transforms.clicks import ClicksToNetworkd
from monai_samadapt.transforms.colour import ColourChannelsd
from monai_samadapt.transforms.compose import OneLineCompose
from monai_samadapt.transforms.disc import CropAtDiscd, given_centre
from monai_samadapt.transforms.field_of_view import FieldOfViewd
from monai_samadapt.transforms.fit import FitInPlaned
from monai_samadapt.transforms.fundus_augment import fundus_augmentation
from monai_samadapt.transforms.normalise import NeighbourChannelsd, NormaliseForSAMd
from monai_samadapt.transforms.pictures import PictureReader, Uprightd
from monai_samadapt.transforms.prompts import FilePromptsd, ModePromptsd, PromptsToNetworkd
from monai_samadapt.transforms.read import ReadImaged, ReadLabeld, ReadMaskd, SourceReader
from monai_samadapt.transforms.slices import CompactVolumed, KeepSampled, RandSlicesd
from monai_samadapt.transforms.volumes import VolumeReader

if TYPE_CHECKING:
    from monai_samadapt.transforms.spec import DataSpec

IMAGE = ("image",)
PAIR = ("image", "label")
UPRIGHT = "PLS"
RAS_PAIRS = (("L", "R"), ("P", "A"), ("I", "S"))


class Chain(ABC):
    """Read, stand upright, scale to 0…1, fit into S × S, normalise, pad with 0; a modality fills in the steps.

    Attributes:
        confined: whether results stay inside the field of view.

    Args:
        spec: the settings.
    """

    reader: SourceReader
    formats: tuple[str, ...]
    dimensions: int
    confined = False

    def __init__(self, spec: DataSpec) -> None:
        self.spec = spec

    def inference(self) -> OneLineCompose:
        """Transforms of ``image`` and of the item's prompts or clicks."""
        read = [ReadImaged(self.reader), FilePromptsd(self.spec.label_spec)]
        prompts = [PromptsToNetworkd(), ClicksToNetworkd(self.spec.label_spec)]
        return OneLineCompose([*read, *self.prepare(IMAGE), *self.to_network(IMAGE), *prompts])

    def evaluation(self, seed: int) -> OneLineCompose:
        """Transforms of ``image`` and prompts; ``label`` and ``mask`` stay on the source grid."""
        read = [*self.read(), ModePromptsd(self.spec.label_spec, seed)]
        return OneLineCompose([*read, *self.prepare(IMAGE), *self.to_network(IMAGE), PromptsToNetworkd()])

    def training(self, samples: int, augment: bool) -> OneLineCompose:
        """Transforms of ``image`` and ``label``; those before the first random one give what a dataset caches."""
        random = self.augmentation() if augment else []
        read = [ReadImaged(self.reader), ReadLabeld(self.reader, self.spec.label_spec)]
        steps = [*read, *self.prepare(PAIR), *self.sample(samples), *random, NormaliseForSAMd(), self.pad(PAIR, 2)]
        return OneLineCompose([*steps, KeepSampled()])

    def read(self) -> list[Transform]:
        """Read and check an item with its label and optional mask."""
        return [ReadImaged(self.reader), ReadLabeld(self.reader, self.spec.label_spec), ReadMaskd(self.reader)]

    def check(self, item: Mapping[str, Any]) -> dict[Hashable, Any]:
        """Read an item whose label may be missing."""
        steps = self.read() if item.get("label") is not None else [ReadImaged(self.reader), ReadMaskd(self.reader)]
        checked: dict[Hashable, Any] = OneLineCompose(steps)(dict(item))
        return checked

    def fit(self, keys: Sequence[str], spacing: tuple[float, float] | None = None) -> Transform:
        """Interpolate images linearly, labels to the nearest."""
        modes = ["bilinear" if key == "image" else "nearest" for key in keys]
        return FitInPlaned(keys, modes, self.spec.image_size, spacing)

    def pad(self, keys: Sequence[str], dimensions: int) -> Transform:
        """Pad rows and columns with 0 at the lower right, to S × S."""
        size = (self.spec.image_size,) * 2
        return SpatialPadd(keys, size if dimensions == 2 else (*size, -1), method="end")

    def to_network(self, keys: Sequence[str]) -> list[Transform]:
        """Give the fitted image, in 0…1, the channels, the normalisation and the size of the network's input."""
        return [NormaliseForSAMd(), self.pad(keys, self.dimensions)]

    @abstractmethod
    def prepare(self, keys: Sequence[str]) -> list[Transform]:
        """Stand upright, scale to 0…1, fit into S × S; invertible."""

    @abstractmethod
    def sample(self, samples: int) -> list[Transform]:
        """Draw 2D training samples."""

    @abstractmethod
    def augmentation(self) -> list[Transform]:
        """Change 2D training samples at random."""


class CTChain(Chain):
    """Volumes in HU: RAS turned upright (rows to posterior, columns to the patient's left), window, slices."""

    reader = VolumeReader()
    formats = save.VOLUME_FORMATS
    dimensions = 3

    def prepare(self, keys: Sequence[str]) -> list[Transform]:
        assert self.spec.window is not None
        low, high = self.spec.window
        return [
            Orientationd(keys, axcodes=UPRIGHT, labels=RAS_PAIRS),
            *([KeepClickedSlicesd()] if tuple(keys) == IMAGE else []),
            ScaleIntensityRanged("image", low, high, 0.0, 1.0, clip=True),
            self.fit(keys, self.spec.pixel_size),
        ]

    def to_network(self, keys: Sequence[str]) -> list[Transform]:
        neighbours = [NeighbourChannelsd()] if self.spec.neighbours else []
        return [*neighbours, *super().to_network(keys)]

    def sample(self, samples: int) -> list[Transform]:
        return [CompactVolumed(), RandSlicesd(samples, self.spec.neighbours)]

    def augmentation(self) -> list[Transform]:
        return ct_augmentation(self.spec.image_size)


class Image2DChain(Chain):
    """RGB or grey pictures."""

    reader = PictureReader()
    formats = save.PICTURE_FORMATS
    dimensions = 2

    def prepare(self, keys: Sequence[str]) -> list[Transform]:
        return [
            Uprightd(keys),
            ScaleIntensityRanged("image", 0.0, 255.0, 0.0, 1.0),
            self.fit(keys),
        ]

    def sample(self, samples: int) -> list[Transform]:
        return []

    def augmentation(self) -> list[Transform]:
        return picture_augmentation(self.spec.image_size, self.spec.label_spec.names)


class FundusChain(Image2DChain):
    """Photographs of the retina: black outside the field of view, perhaps cut around the disc, in chosen channels."""

    confined = True

    def check(self, item: Mapping[str, Any]) -> dict[Hashable, Any]:
        checked = super().check(item)
        given_centre(checked)
        return checked

    def prepare(self, keys: Sequence[str]) -> list[Transform]:
        crop = [] if self.spec.crop is None else [CropAtDiscd(keys, self.spec.crop)]
        return [FieldOfViewd(self.reader), *crop, *super().prepare(keys), ColourChannelsd(self.spec.channels)]

    def sample(self, samples: int) -> list[Transform]:
        """A cached sample is without the field of view, which has the size of the source."""
        return [KeepSampled()]

    def augmentation(self) -> list[Transform]:
        return fundus_augmentation(self.spec.label_spec.names)


CHAINS: dict[str, type[Chain]] = {"ct": CTChain, "image2d": Image2DChain, "fundus": FundusChain}
