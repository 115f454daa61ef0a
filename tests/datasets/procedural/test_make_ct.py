"""Procedural CT: densities, lesion, geometry, determinism."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from monai_samadapt.datasets.procedural import CT_LABELS, make_ct
from monai_samadapt.datasets.procedural.ct import ORGAN_HU
from monai_samadapt.errors import SamAdaptError

SMALL = {"shape": (48, 48, 20), "spacing": (3.2, 3.2, 6.0)}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_organs_have_their_density(seed: int) -> None:
    hu, label, _ = make_ct(seed, lesion=True)
    assert hu.dtype == np.int16 and label.dtype == np.uint8 and hu.shape == label.shape == (96, 96, 40)
    for name, value in CT_LABELS.items():
        inner = ndimage.binary_erosion(label == value)
        assert inner.sum() > 100, name
        assert abs(hu[inner].mean() - ORGAN_HU[name]) < 9, name
        assert 9 < hu[inner].std() < 30, name


def test_background_has_air_fat_and_bone() -> None:
    hu, label, _ = make_ct(0)
    corner = hu[:6, :6]
    assert abs(corner.mean() + 1000) < 8
    background = ndimage.gaussian_filter(hu.astype(np.float32), 0.7)[label == 0]
    for low, high, share in ((-130, -70, 0.1), (35, 70, 0.05), (150, 700, 0.01)):
        assert np.mean((background > low) & (background < high)) > share


@pytest.mark.parametrize("grid", [SMALL, {"shape": (80, 80, 10), "spacing": (2.0, 2.0, 12.0)}])
def test_lesion_only_when_asked_and_inside_the_liver(grid: dict[str, tuple[float, ...]]) -> None:
    lesion, liver = CT_LABELS["Lesion"], CT_LABELS["Liver"]
    for seed in range(6):
        without, present = (make_ct(seed, lesion=asked, **grid)[1] for asked in (False, True))  # type: ignore[arg-type]
        assert not (without == lesion).any()
        mask = present == lesion
        assert mask.any()
        assert (without[mask] == liver).all()


def test_lesion_is_absent_in_some_cases_by_default() -> None:
    found = [bool((make_ct(seed, **SMALL)[1] == CT_LABELS["Lesion"]).any()) for seed in range(20)]
    assert 9 <= sum(found) <= 18


def test_seed_decides_the_case() -> None:
    first, second, other = make_ct(3, **SMALL), make_ct(3, **SMALL), make_ct(4, **SMALL)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    share = [np.mean(case[1] == CT_LABELS["Liver"]) for case in (first, other)]
    assert not np.array_equal(first[1], other[1]) and min(share) > 0.03


@pytest.mark.parametrize("axcodes", ["LPS", "LAS", "PIR", "SRA"])
def test_axes_are_another_view_of_the_same_patient(axcodes: str) -> None:
    reference, reference_label, affine = make_ct(5, (24, 32, 12), (2.0, 1.5, 5.0))
    hu, label, turned = make_ct(5, (24, 32, 12), (2.0, 1.5, 5.0), axcodes=axcodes)
    assert "".join(nib.aff2axcodes(turned)) == axcodes
    back = nib.as_closest_canonical(nib.Nifti1Image(hu, turned))
    back_label = nib.as_closest_canonical(nib.Nifti1Image(label, turned))
    assert np.allclose(back.affine, affine, atol=1e-6)
    assert np.array_equal(back.get_fdata(), reference)
    assert np.array_equal(back_label.get_fdata(), reference_label)


def test_oblique_affine_keeps_spacing_and_turns_by_the_angle() -> None:
    _, _, straight = make_ct(0, (16, 20, 12), (2.0, 1.5, 5.0))
    _, _, oblique = make_ct(0, (16, 20, 12), (2.0, 1.5, 5.0), oblique_degrees=15)
    assert np.allclose(nib.affines.voxel_sizes(oblique), (2.0, 1.5, 5.0))
    turn = (oblique[:3, :3] / [2.0, 1.5, 5.0]) @ np.linalg.inv(straight[:3, :3] / [2.0, 1.5, 5.0])
    assert np.degrees(np.arccos((np.trace(turn) - 1) / 2)) == pytest.approx(15)
    assert np.linalg.det(turn) == pytest.approx(1)
    assert np.allclose(oblique @ [7.5, 9.5, 5.5, 1], [0, 0, 0, 1])


def test_liver_is_on_the_right_and_the_spine_at_the_back() -> None:
    hu, label, affine = make_ct(1)
    liver, spleen, bone = (label == CT_LABELS["Liver"]), (label == CT_LABELS["Spleen"]), hu > 300
    centres = [affine @ [*ndimage.center_of_mass(mask), 1] for mask in (liver, spleen, bone)]
    assert centres[0][0] > 10 and centres[1][0] < -10
    assert centres[2][1] < -10


@pytest.mark.parametrize(
    "arguments", [{"shape": (96, 96)}, {"shape": (96, 96, 2)}, {"spacing": (1.0, 0.0, 1.0)}, {"axcodes": "RLS"}]
)
def test_no_grid_in_space_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(SamAdaptError, match=next(iter(arguments))):
        make_ct(0, **arguments)  # type: ignore[arg-type]
