"""The area under the ROC curve against scikit-learn and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from monai_samadapt.metrics import roc_auc


@pytest.mark.parametrize("levels", [None, 5, 255])
def test_random_scores_agree_with_scikit_learn(levels):
    generator = np.random.default_rng(3)
    truth = generator.random(20_000) < 0.07
    prob = np.clip(generator.normal(0.4 + 0.2 * truth, 0.3), 0, 1).astype(np.float32)
    if levels is not None:
        prob = np.round(prob * levels).astype(np.float32) / levels
    assert roc_auc(prob, truth) == pytest.approx(roc_auc_score(truth, prob), abs=1e-12)


def test_by_hand_with_a_tie():
    # Pairs (positive, negative): (.8, .8) a tie, (.8, .1) won, (.5, .8) lost, (.5, .1) won -> 2.5 of 4
    prob, truth = np.array([0.8, 0.5, 0.8, 0.1]), np.array([True, True, False, False])
    assert roc_auc(prob, truth) == 0.625


def test_one_class_or_a_score_that_is_no_number_gives_nan():
    prob = np.array([0.2, 0.7, 0.4])
    assert math.isnan(roc_auc(prob, np.zeros(3, bool)))
    assert math.isnan(roc_auc(prob, np.ones(3, bool)))
    assert math.isnan(roc_auc(np.array([0.2, np.nan, 0.4]), np.array([True, False, False])))
