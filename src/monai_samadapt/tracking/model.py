"""An adapted network as a model of MLflow: paths of images in, label maps on the source grid out.

MLflow loads it by :func:`_load_pyfunc`, the name that its models without pickles go by.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray

from monai_samadapt.engines.artefacts import load_model, read_description
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.inferers import VolumeInferer
from monai_samadapt.networks import METHODS
from monai_samadapt.run_files import MODEL
from monai_samadapt.transforms import DataSpec

COLUMN = "image"


class SegmentationModel:
    """Segments image files as the bundle's inference does: same transforms, same inferer, without prompts.

    It runs on CUDA in bfloat16 where there is one, else on the CPU.

    Args:
        folder: holds ``adapter.json``, by which the network is built, and ``model.pt``, which is loaded strictly.

    Raises:
        SamAdaptError: when they are missing or of another method.
    """

    def __init__(self, folder: Path) -> None:
        description = read_description(folder)
        self.spec = DataSpec.from_dict(description["preprocessing"])
        self.network = METHODS[description["method"]].rebuild(description["network"], None)  # type: ignore[arg-type]
        load_model(self.network, str(folder / MODEL))
        self.network.to("cuda" if torch.cuda.is_available() else "cpu")

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> list[NDArray[np.integer]]:
        """Segment each image.

        Args:
            model_input: paths of pictures, volumes or DICOM folders on the machine that predicts; `image_paths`.
            params: with ``output_dir`` the maps are also written there as ``NAME_seg.EXT``, with the source's affine.

        Returns:
            For each image a map as its file would be read: (rows, columns) of a picture, (X, Y, Z) of a volume, with
            the values of the label files; for overlapping labels (K, …) of 0 and 1.
        """
        output_dir = (params or {}).get("output_dir") or None
        preprocessing = self.spec.inference_transforms()
        activation = self.network.activation
        postprocessing = self.spec.postprocessing(preprocessing, output_dir, activation=activation)
        inferer = VolumeInferer(amp=next(self.network.parameters()).is_cuda)
        maps = []
        for path in image_paths(model_input):
            item = preprocessing({"image": path})
            logits = inferer(item["image"][None], self.network)[0]
            item["pred"] = MetaTensor(logits, meta=item["image"].meta)
            maps.append(self._as_in_file(postprocessing(item)["pred"]))
        return maps

    def _as_in_file(self, pred: torch.Tensor) -> NDArray[np.integer]:
        array = self.spec.label_spec.decode(torch.as_tensor(pred).cpu()).numpy()
        upright = array.swapaxes(1, 2) if array.ndim == 3 else array  # MONAI reads pictures as (W, H)
        return upright[0] if self.spec.label_spec.exclusive else upright


def image_paths(model_input: Any) -> list[str]:
    """The paths in a path, in a table or row with the column ``image``, or in a list of these.

    Raises:
        SamAdaptError: for a table or row without this column.
    """
    if isinstance(model_input, (str, PathLike)):
        return [str(model_input)]
    if isinstance(model_input, Mapping) or hasattr(model_input, "columns"):  # a pandas table
        if COLUMN not in model_input:
            problem, remedy = "no such column", "give paths, or a table with this column"
            raise SamAdaptError(COLUMN, [str(name) for name in model_input], problem, remedy)
        return image_paths(model_input[COLUMN])
    return [path for entry in model_input for path in image_paths(entry)]


def _load_pyfunc(path: str) -> SegmentationModel:
    """What MLflow calls with the folder of the model's data."""
    return SegmentationModel(Path(path))
