"""The chain inside MONAI's evaluator: batches, decollation, postprocessing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from torch import nn

from monai_samadapt.inferers import VolumeInferer
from monai_samadapt.transforms import DataSpec


class Threshold(nn.Module):
    """Calls a pixel A where the first channel is above the middle of the window, for 2D images."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logit = image[:, 0] * 58.395 + 123.675 - 127.5
        return torch.stack([torch.zeros_like(logit), logit], dim=1)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_evaluator_gives_predictions_on_the_source_grid(nifti, upright, tmp_path, num_workers):
    spec = DataSpec("ct", ["A"], image_size=20, window=(0, 100))
    rng = np.random.default_rng(0)
    items, labels = [], []
    for number, shape in enumerate([(20, 16, 5), (20, 20, 7)]):
        label = (rng.random(shape) > 0.5).astype(np.uint8)
        volume = upright(label, (0.9, 0.9, 3.0), 20.0)
        stored, affine = volume.stored_sra() if number else volume.stored_lps()
        names = (f"{number}/i.nii.gz", f"{number}/l.nii.gz")
        hu = (stored * 90).astype(np.int16)
        items.append({"image": nifti(hu, affine, names[0]), "label": nifti(stored, affine, names[1]), "subject": "s"})
        labels.append(stored)
    transforms = spec.evaluation_transforms()
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(items, transforms), batch_size=1, num_workers=num_workers),
        network=Threshold(),
        inferer=VolumeInferer(slice_batch=3),
        postprocessing=spec.postprocessing(transforms, str(tmp_path / "out"), data_root_dir=str(tmp_path)),
    )
    outputs = []
    evaluator.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: outputs.extend(engine.state.output))
    evaluator.run()
    for output, stored, item in zip(outputs, labels, items, strict=True):
        np.testing.assert_array_equal(output["pred"].numpy()[0], stored)
        np.testing.assert_array_equal(output["label"].numpy()[0], stored)
        assert output["pred"].meta["filename_or_obj"] == item["image"]
    assert len(list((tmp_path / "out").rglob("i_seg.nii.gz"))) == 2
