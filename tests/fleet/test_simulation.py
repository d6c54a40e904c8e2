"""Ten times more prints within a minute, around the real pacing code: refusals end, intervals settle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from layerwatch.cli import app
from layerwatch.fleet.simulation import Scenario, Site, simulate
from layerwatch.fleet.surge_report import settling


def surge(
    *,
    load: float = 4.0,
    believed: float = 1.0,
    lost: str | None = None,
    jitter: bool = True,
    suspicious: float = 0.05,
    seconds: int = 1500,
) -> Scenario:
    """A fleet of three regions that all prints at rest would load `load` times over."""
    prints = 1_000_000
    capacity = prints / 40 / load
    sites = [
        Site(name, share * capacity, share * capacity * believed)
        for name, share in (("eu", 0.5), ("us", 0.3), ("ap", 0.2))
    ]
    return Scenario(
        sites,
        prints,
        cohorts=3000,
        seconds=seconds,
        surge_at=120,
        lost=lost,
        lost_at=900,
        jitter=jitter,
        suspicious=suspicious,
    )


@pytest.mark.parametrize("believed", [0.5, 1.0, 1.3])
def test_a_tenfold_surge_is_taken_up_within_two_intervals_and_without_oscillating(believed: float) -> None:
    judged = settling(simulate(surge(believed=believed)))
    assert judged.throttled_after < 0.01
    assert judged.settled_after is not None
    assert judged.settled_after <= 2 * judged.interval
    assert judged.overshoot < 0.10
    assert judged.swings == 0


def test_the_capacity_is_used_neither_too_much_nor_too_little() -> None:
    judged = settling(simulate(surge()))
    assert judged.use == pytest.approx(0.75, abs=0.05)


def test_a_light_load_leaves_the_intervals_at_rest() -> None:
    judged = settling(simulate(surge(load=0.5, suspicious=0.0, seconds=500)))
    assert judged.interval == pytest.approx(40, abs=1)
    assert judged.throttled_after == 0


def test_prints_that_begin_in_the_same_second_are_spread() -> None:
    result = simulate(surge(load=0.5, jitter=False, suspicious=0.0, seconds=130))
    first, later = result.called[0].sum(), result.called[80:120].sum(axis=1).max()
    assert first > 0
    assert later < 0.5 * first


def test_regions_are_loaded_alike_although_they_differ_in_size() -> None:
    result = simulate(surge())
    use = result.answered[1000:].mean(axis=0) / [site.capacity for site in result.scenario.sites]
    assert np.ptp(use) < 0.05


def test_when_a_region_is_lost_the_others_take_its_prints() -> None:
    scenario = surge(load=2.0, lost="us")
    result = simulate(scenario)
    us = [site.name for site in scenario.sites].index("us")
    assert result.called[scenario.lost_at :, us].sum() == 0
    assert result.throttled_share(scenario.lost_at + 200, scenario.seconds) < 0.01


def test_the_command_prints_numbers_for_scripts_and_draws_a_chart(tmp_path: Path) -> None:
    chart = tmp_path / "surge.png"
    options = ["--prints", "20000", "--cohorts", "500", "--minutes", "10", "--json", "--plot", str(chart)]
    done = CliRunner().invoke(app, ["simulate-load", *options])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["prints"] == 20000
    with Image.open(chart) as drawn:
        assert drawn.size[0] > 1000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--regions", "eu"], "NAME=NUMBER"),
        (["--regions", "eu=1,eu=2"], "named twice"),
        (["--lose", "mars"], "no such region"),
        (["--regions", "eu=100", "--lose", "eu"], "only region"),
    ],
)
def test_wrong_options_are_explained(options: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["simulate-load", *options])
    assert done.exit_code == 2
    assert said in done.output
