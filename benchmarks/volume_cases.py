"""From file to file: inference on a volume, data loading, and a bundle's training, against plain loops."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import nibabel as nib
import numpy as np
import torch
from ignite.engine import Events
from model_cases import LABELS, network_of
from segment_anything import SamPredictor
from sides import Case, Step, precision

from monai_samadapt.backbones import build_sam, build_sam2
from monai_samadapt.datasets.procedural import write_demo_dataset
from monai_samadapt.inferers import VolumeInferer
from monai_samadapt.transforms import DataSpec

WINDOW = (-160.0, 240.0)


def volume(slices: int, side: int) -> Path:
    """A NIfTI of noise in HU."""
    path = Path(mkdtemp()) / "volume.nii.gz"
    values = np.random.default_rng(0).normal(40, 100, (side, side, slices)).astype(np.int16)
    nib.save(nib.Nifti1Image(values, np.diag([1.0, 1.0, 3.0, 1.0])), path)
    return path


def ours_on_volume(method: str, variant: str, size: int, path: Path, device: str) -> Step:
    """Transforms, network, inverse and file, as the bundle does it."""
    spec = DataSpec("ct", LABELS, image_size=size, window=WINDOW)
    network = network_of(method, variant, size)[0].to(device).eval()
    read = spec.inference_transforms()
    write = spec.postprocessing(read, str(path.parent / "ours"))

    def step() -> None:
        item: Any = read({"image": str(path)})
        inferer = VolumeInferer(8, amp=device.startswith("cuda"))  # a new one: it remembers what it has encoded
        item["pred"] = inferer(item["image"][None], network)[0]
        write(item)

    return step


def predictor_on_volume(variant: str, size: int, path: Path, device: str) -> Step:
    """A loop over upstream's predictor: each slice is set as an RGB image and prompted by a point in its middle."""
    if variant.startswith("hiera"):
        from sam2.sam2_image_predictor import SAM2ImagePredictor

        predictor: Any = SAM2ImagePredictor(build_sam2(variant, size, "random").to(device))
        predictor._bb_feat_sizes = [(size // stride, size // stride) for stride in (4, 8, 16)]
    else:
        from model_cases import upstream

        predictor = SamPredictor(upstream(build_sam(variant, size, "random").to(device)))

    def step() -> None:
        image = nib.load(path)
        values = np.asarray(image.dataobj, dtype=np.float32)
        scaled = ((values - WINDOW[0]) / (WINDOW[1] - WINDOW[0])).clip(0, 1)
        maps = np.zeros(values.shape, np.uint8)
        middle = np.array([[values.shape[1] / 2, values.shape[0] / 2]])
        for index in range(values.shape[2]):
            rgb = np.repeat((255 * scaled[..., index]).astype(np.uint8)[..., None], 3, axis=2)
            with torch.no_grad(), precision(device):
                predictor.set_image(rgb)
                masks, _, _ = predictor.predict(middle, np.array([1]), multimask_output=False)
            maps[..., index] = masks[0]
        nib.save(nib.Nifti1Image(maps, image.affine), path.parent / "loop.nii.gz")

    return step


def segment(
    method: str, variant: str, size: int, loop_size: int, slices: int, loop_slices: int, ours: bool, device: str
) -> Step:
    """Both sides of a volume; ``loop_slices`` below ``slices`` lets the loop do a part, which the name says."""
    if ours:
        return ours_on_volume(method, variant, size, volume(slices, 256), device)
    return predictor_on_volume(variant, loop_size, volume(loop_slices, 256), device)


def loading(ours: bool, device: str) -> Step:
    """An epoch of the loader: cached as the bundles do it, or every file read again."""
    from monai.data import CacheDataset, DataLoader, Dataset

    folder = write_demo_dataset(Path(mkdtemp()), "ct", 8, 0, (96, 96, 24), (3.0, 3.0, 5.0)).parent
    from monai_samadapt.datasets import load_datalist

    items = load_datalist(folder, None, "training", 0)
    labels = ["Liver", "Spleen", "Kidneys", "Lesion"]
    transform = DataSpec("ct", labels, image_size=256, window=WINDOW).training_transforms(8)
    kind: Any = partial(CacheDataset, progress=False, copy_cache=False) if ours else Dataset
    loader = DataLoader(kind(items, transform), batch_size=1, num_workers=0)

    def step() -> None:
        for _ in loader:
            pass

    return step


def whole_training(variant: str, size: int, steps: int, ours: bool, device: str) -> Step:
    """An epoch amid the S-SAM bundle's training, with loading, logging and saving, or its steps on batches at hand."""
    from monai.bundle import ConfigWorkflow

    root = Path(__file__).resolve().parents[1] / "bundles" / "s_sam"
    folder = Path(mkdtemp())
    data = write_demo_dataset(folder / "data", "fundus", 8 * steps, 0, size=(256, 256)).parent
    settings = {"dataset_dir": str(data), "output_dir": str(folder / "run"), "labels": {"Rim": 1, "Cup": 2}}
    settings |= {"variant": variant, "image_size": size, "device": device, "checkpoint": "random", "batch_size": 4}
    settings |= {"max_epochs": 10**6, "val_interval": 10**6, "cache_rate": 1.0, "logging_file": False}
    files = [str(root / "configs" / f"{name}.json") for name in ("train", "image2d")]
    workflow = ConfigWorkflow(files, workflow_type="train", bundle_root=str(root), **settings)
    workflow.initialize()
    trainer = workflow.trainer
    if ours:
        trainer.add_event_handler(Events.EPOCH_COMPLETED, trainer.terminate)  # after all that an epoch ends with
        return lambda: trainer.run() and None
    batches = list(trainer.data_loader)

    def bare() -> None:
        trainer.network.train()
        for batch in batches:
            image, label = trainer.prepare_batch(batch, torch.device(device))[:2]
            trainer.optimizer.zero_grad()
            with precision(device):
                value = trainer.loss_function(trainer.network(image), label)
            value.backward()
            trainer.optimizer.step()

    return bare


def cases(sam: str, hiera: str, size: int, slices: int) -> list[Case]:
    """All rows of this file; times of a volume are for all its slices."""
    rows = []
    for method, variant, name in (("s_sam", sam, "SamPredictor"), ("sam2_lora", hiera, "SAM2ImagePredictor")):
        same = partial(segment, method, variant, size, size, slices, slices)
        target = 1.6 if method == "s_sam" else None
        title = f"volume of {slices} slices, file to file, {variant}, {size} px"
        rows += [Case(title, same, f"a loop over {name} at {size} px", target=target)]
    fixed = partial(segment, "s_sam", sam, size, 1024, 2, 2)
    rows += [
        Case(f"volume of 2 slices, {sam}, {size} px", fixed, "a loop over SamPredictor at its 1024 px", target=6.0)
    ]
    rows += [Case("data loading, an epoch of CT", loading, "files read again")]
    bundle = partial(whole_training, sam, size, 6)
    rows += [Case(f"epoch of the s_sam bundle, {sam}, {size} px", bundle, "its bare steps", target=0.91)]
    return rows
