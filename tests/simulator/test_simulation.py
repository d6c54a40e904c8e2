"""A simulated print is a pure function of its seed and the second, and its truth agrees with its picture."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from layerwatch.simulator import FAILURES, KIND_OF, LABELS, VIEWPOINTS, WORLDS, Simulation
from layerwatch.vision.evidence import KINDS

SMALL = (160, 120)


def calm(seed: int, failure: str | None = None, world: str | None = None, **more: object) -> Simulation:
    options = {"duration": 7200.0, "onset": 2400.0, "nuisance": False, "size": SMALL} | more
    return Simulation(seed, failure, world, **options)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_picture_to_the_pixel() -> None:
    first, second = (Simulation(11, "spaghetti", size=SMALL).frame(4000.0) for _ in range(2))
    assert np.array_equal(first.rgb, second.rgb)
    assert np.array_equal(first.truth.mask, second.truth.mask)
    assert first.truth == second.truth


def test_another_seed_gives_another_picture() -> None:
    assert not np.array_equal(calm(1).frame(3000.0).rgb, calm(2).frame(3000.0).rgb)


def test_a_frame_does_not_depend_on_the_frames_asked_for_before() -> None:
    asked = calm(5, "detachment")
    for second in (0.0, 6900.0, 2500.0):
        asked.frame(second)
    assert np.array_equal(asked.frame(3000.0).rgb, calm(5, "detachment").frame(3000.0).rgb)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("failure", FAILURES)
def test_every_failure_happens_in_every_world_and_not_before_its_onset(failure: str, world: str) -> None:
    simulation = calm(40 + len(failure), failure, world)
    onset = simulation.onset
    assert onset is not None
    if onset > 0:
        before = simulation.frame(onset - 30)
        assert not before.truth.failed
        assert before.truth.severity == 0.0
        assert before.truth.mask is not None
        assert not before.truth.mask.any()
    after = simulation.frame(onset + 1500)
    assert after.truth.failed
    assert after.truth.kind == KIND_OF[failure]
    assert after.truth.severity > 0.0
    assert after.rgb.shape == (SMALL[1], SMALL[0], 3)
    assert after.rgb.std() > 3


@pytest.mark.parametrize("failure", FAILURES)
def test_severity_never_falls(failure: str) -> None:
    simulation = calm(60, failure)
    values = [simulation.truth(second).severity for second in np.linspace(0, simulation.duration, 60)]
    assert values == sorted(values)
    assert values[-1] > 0
    assert max(values) <= 1


@pytest.mark.parametrize("failure", ["spaghetti", "knocked_over", "stringing"])
def test_the_mask_grows_while_a_failure_does(failure: str) -> None:
    grown = 0
    for seed in range(70, 76):
        simulation = calm(seed, failure, "delta", viewpoint="front")
        early, late = (simulation.frame(2400.0 + since).truth for since in (60, 4000))
        assert early.mask is not None
        assert late.mask is not None
        grown += np.count_nonzero(late.mask) > np.count_nonzero(early.mask)
    assert grown >= 5


def test_a_healthy_print_has_an_empty_mask_to_the_end() -> None:
    simulation = calm(80)
    for second in (100.0, 3500.0, 7100.0):
        truth = simulation.frame(second).truth
        assert truth.mask is not None
        assert not truth.mask.any()
        assert (truth.failed, truth.kind, truth.severity, truth.onset, truth.boxes) == (
            False,
            None,
            0.0,
            None,
            (),
        )


def test_boxes_enclose_the_mask_and_no_more() -> None:
    frame = calm(12, "spaghetti", "bedslinger", viewpoint="front").frame(6000.0)
    mask = frame.truth.mask
    assert mask is not None
    for box in frame.truth.boxes:
        rows, columns = np.nonzero(mask == LABELS.index(box.kind) + 1)
        assert box.left == pytest.approx(columns.min() / SMALL[0])
        assert box.top == pytest.approx(rows.min() / SMALL[1])
        assert box.left + box.width == pytest.approx((columns.max() + 1) / SMALL[0])
        assert box.top + box.height == pytest.approx((rows.max() + 1) / SMALL[1])
    assert {box.kind for box in frame.truth.boxes} == {
        LABELS[value - 1] for value in np.unique(mask[mask > 0])
    }


@pytest.mark.parametrize("viewpoint", VIEWPOINTS)
def test_every_viewpoint_sees_something(viewpoint: str) -> None:
    assert calm(21, viewpoint=viewpoint).frame(3000.0).rgb.std() > 5


def test_progress_and_layers_rise_to_the_end() -> None:
    simulation = calm(22)
    truths = [simulation.truth(second) for second in np.linspace(0, 7300, 50)]
    assert [truth.layer for truth in truths] == sorted(truth.layer for truth in truths)
    assert [truth.progress for truth in truths] == sorted(truth.progress for truth in truths)
    assert truths[-1].progress == 1.0
    assert truths[-1].layer == truths[-1].layers


def test_truth_without_rendering_agrees_with_the_frames_truth() -> None:
    simulation = Simulation(23, "detachment", size=SMALL)
    rendered, cheap = simulation.frame(5000.0).truth, simulation.truth(5000.0)
    for name in ("layer", "failed", "kind", "severity", "onset", "events", "condition"):
        assert getattr(rendered, name) == getattr(cheap, name)


def test_a_glance_sees_what_the_frame_shows() -> None:
    simulation = calm(12, "spaghetti", "bedslinger", viewpoint="front")
    assert simulation.glance(2300.0).visible == 0
    glance, frame = simulation.glance(6000.0), simulation.frame(6000.0).truth
    assert glance.visible is not None
    assert frame.visible is not None
    assert 0.4 * frame.visible < glance.visible < 4 * frame.visible
    assert {box.kind for box in glance.boxes} == {box.kind for box in frame.boxes}


def test_the_labels_are_the_detectors_kinds() -> None:
    assert LABELS == KINDS


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"failure": "melted"}, "unknown failure 'melted'"),
        ({"world": "cnc"}, "unknown world 'cnc'"),
        ({"viewpoint": "moon"}, "unknown viewpoint 'moon'"),
        ({"shape": "teapot"}, "unknown shape 'teapot'"),
        ({"nuisance": ["earthquake"]}, "unknown nuisance 'earthquake'"),
        ({"duration": -1.0}, "duration must be above 0"),
    ],
)
def test_unknown_names_are_refused_with_the_known_ones(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Simulation(0, **options)  # type: ignore[arg-type]


def test_frames_refuse_an_interval_of_nothing() -> None:
    with pytest.raises(ValueError, match="interval"):
        next(calm(0).frames(0))


def test_a_frame_encodes_as_jpeg() -> None:
    data = calm(24).frame(100.0).jpeg()
    assert data[:2] == b"\xff\xd8"
    assert data[-2:] == b"\xff\xd9"


def test_the_simulator_needs_numpy_and_pillow_alone() -> None:
    heavy = ("torch", "cv2", "scipy", "onnxruntime")
    code = f"import sys, layerwatch.simulator; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
