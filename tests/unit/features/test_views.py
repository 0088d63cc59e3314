"""What forms of thumbnails see, and what they are blind to."""

from __future__ import annotations

import numpy as np
import pytest

from openrek.features import block_views, gradual_evidence, moving_evidence, span_evidence
from openrek.features.shifts import unexplained
from openrek.features.span_evidence import Inside
from openrek.features.views import Views

RNG = np.random.default_rng(0)


def picture() -> np.ndarray:
    """Blots of several levels, shape (40, 64): room for shifts."""
    return np.kron(RNG.integers(20, 236, (10, 16)), np.ones((4, 4))).astype(np.uint8)


def thumbnails(*pictures: np.ndarray) -> np.ndarray:
    return np.stack([p[4:31, 6:54] for p in pictures])


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, -3), (-3, 4)])
def test_a_shift_explains_a_picture_but_not_another_one(down: int, right: int) -> None:
    one, other = picture(), picture()
    [before] = thumbnails(one).astype(np.float32)
    moved = np.roll(one, (down, right), (0, 1))
    after = thumbnails(moved, moved + 15, other).astype(np.float32)
    shares = unexplained(np.stack([before] * 3), after)
    assert shares[0] == pytest.approx(shares[1], abs=1e-4)
    assert shares[0] < 0.35
    assert shares[2] > 0.6


def test_local_levels_do_not_see_where_in_a_block_something_is() -> None:
    luma = thumbnails(picture())
    turned = luma.reshape(1, 3, 9, 6, 8)[:, :, ::-1, :, ::-1].reshape(luma.shape)
    assert np.array_equal(block_views.local_levels(luma), block_views.local_levels(turned))
    assert block_views.local_levels(luma).shape == (1, 108)
    upside_down = luma[:, ::-1]
    assert np.abs(block_views.local_levels(luma) - block_views.local_levels(upside_down)).mean() > 5


def test_colours_do_not_see_where_anything_is() -> None:
    chroma = RNG.integers(0, 256, (2, 9, 16, 2)).astype(np.uint8)
    assert np.array_equal(block_views.colours(chroma), block_views.colours(chroma[:, ::-1, ::-1]))
    assert block_views.colours(chroma).shape == (2, 36)


def test_a_mix_of_two_pictures_has_less_texture_than_either() -> None:
    one, other = picture(), picture()
    mixed = (one // 2 + other // 2).astype(np.uint8)
    before, between, after = block_views.texture(thumbnails(one, mixed, other)).mean(axis=1)
    assert between < 0.9 * min(before, after)


def test_all_evidence_has_its_name() -> None:
    luma = thumbnails(*(picture() for _ in range(60)))
    views = Views(luma, np.full((60, 9, 16, 2), 128, np.uint8))
    assert gradual_evidence.evidence(views).shape == (60, len(gradual_evidence.EVIDENCE))
    assert moving_evidence.evidence(views).shape == (60, len(moving_evidence.EVIDENCE))
    assert span_evidence.evidence(views, Inside(20, 30, 1.0, 0.5, 0.0), 1).shape == (len(span_evidence.EVIDENCE),)


def test_evidence_of_a_frame_does_not_hang_on_frames_far_from_it() -> None:
    """A window with a margin gives what the whole video gives."""
    luma = thumbnails(*(picture() for _ in range(200)))
    chroma = np.full((200, 9, 16, 2), 128, np.uint8)
    whole = moving_evidence.evidence(Views(luma, chroma))[100]
    part = moving_evidence.evidence(Views(luma[50:151], chroma[50:151]))[50]
    assert np.allclose(whole, part, rtol=1e-5)
