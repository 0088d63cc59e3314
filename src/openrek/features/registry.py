"""The features that openrek has."""

from __future__ import annotations

from collections.abc import Mapping

from openrek.features.base import Feature
from openrek.features.labels import LabelDetection
from openrek.features.segments import SegmentDetection

FEATURES: Mapping[str, Feature] = {
    "labels": LabelDetection(),
    "segments": SegmentDetection(),
}
"""By the field's word."""

BY_NOUN: Mapping[str, Feature] = {feature.noun: feature for feature in FEATURES.values()}
"""By what stands behind Start and Get."""
