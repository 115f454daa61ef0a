from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from monai_samadapt.datasets.procedural import make_fundus
from monai_samadapt.transforms import DataSpec
from monai_samadapt.transforms.colour import equalise


def photograph(seed: int = 0) -> tuple[torch.Tensor, np.ndarray]:
    rgb, _, _, view = make_fundus(seed, (120, 130))
    return torch.from_numpy((rgb * view[..., None]).transpose(2, 0, 1).astype(np.float32)) / 255, view > 0


@pytest.mark.parametrize("channels", ["rgb", "green", "clahe"])
def test_channels_of_the_network_s_input(picture, channels):
    rgb, _, _, view = make_fundus(0, (120, 130))
    spec = DataSpec("fundus", ["Vessel"], image_size=130, channels=channels)
    out = spec.inference_transforms()({"image": picture(rgb, "i.png"), "mask": picture(view, "m.png")})["image"]
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    values = (out.as_tensor() * std[:, None, None] + mean[:, None, None])[:, :120] / 255
    source, _ = photograph()
    expected = {"rgb": source, "green": source[1:2].expand(3, -1, -1), "clahe": equalise(source)}
    torch.testing.assert_close(values, expected[channels], atol=1e-5, rtol=0)


def test_equalising_spreads_lightness_inside_and_keeps_black_and_hue():
    image, view = photograph()
    inside = view & (image.amax(0) > 0).numpy()
    out = equalise(image)
    assert (out[:, ~torch.from_numpy(inside)] == 0).all()
    before, after = (rgb2lab(values.permute(1, 2, 0).numpy())[inside] for values in (image, out))
    assert after[:, 0].std() > 1.3 * before[:, 0].std()
    in_gamut = (out.amax(0).numpy() < 0.995)[inside] & (out.amin(0).numpy() > 0.005)[inside]
    np.testing.assert_allclose(after[in_gamut, 1:], before[in_gamut, 1:], atol=0.2)


def test_the_black_around_takes_no_contrast_away():
    rng = np.random.default_rng(0)
    inner = torch.from_numpy(rng.uniform(0.47, 0.55, (1, 64, 64)).astype(np.float32)).expand(3, -1, -1).clone()
    framed = inner.clone()
    framed[:, :16] = 0
    whole, out = equalise(inner), equalise(framed)
    assert (out[:, :16] == 0).all()
    assert out[0, 16:].std() > 0.7 * whole[0, 16:].std() > 2.5 * inner[0, 16:].std()


def test_a_black_photograph_stays_black():
    assert (equalise(torch.zeros(3, 9, 9)) == 0).all()
