"""The film of a print: which pictures it shows, and that its alarm is marked."""

import io
import itertools
import subprocess
from typing import Any

import pytest
from PIL import Image

from layerwatch.learning.recent import RecentPicture
from layerwatch.prints import time_lapse
from layerwatch.prints.kept_pictures import object_name, small_copy
from layerwatch.prints.time_lapse import (
    HOLD_MS,
    MAX_FRAMES,
    MAX_RISES,
    FilmPicture,
    TimeLapseError,
    shots,
    webp,
)
from layerwatch.storage import open_objects
from layerwatch.vision import Vision
from tests.prints.test_recorder import seen
from tests.support.fake_detector import FakeDetector
from tests.support.prints import frame


@pytest.fixture(scope="module")
def copies():
    with Vision(FakeDetector()) as vision:
        jpegs = [frame(0.1, number) for number in range(6)]
        return [small_copy(RecentPicture(jpeg, vision.inspect(jpeg), 0.0)) for jpeg in jpegs]


@pytest.fixture
def objects(tmp_path, copies):
    objects = open_objects("", tmp_path / "objects")
    for number, copy in enumerate(copies):
        objects.put(object_name(1, "one", 60 * number), copy)
    return objects


def course(*qualities):
    return [seen(second=60 * number, quality=quality).moment for number, quality in enumerate(qualities)]


FILM = shots([0, 60, 120, 180, 240, 300], course(9, 9, 3, 1, 1, 9))


def test_an_alarm_is_marked_from_where_it_rises():
    assert [(one.alarm, one.turns) for one in FILM] == [
        (0, False),
        (0, False),
        (1, True),
        (2, True),
        (2, False),
        (0, False),
    ]


def test_a_long_print_is_shown_evenly_and_its_alarm_all_the_same():
    qualities = [9] * 5000
    qualities[3333] = 1
    film = shots([60 * number for number in range(5000)], course(*qualities))
    assert MAX_FRAMES <= len(film) <= MAX_FRAMES + 2
    assert FilmPicture(60 * 3333, 2, True) in film and film[-1].second == 60 * 4999
    gaps = {b.second - a.second for a, b in itertools.pairwise(film)}
    assert max(gaps) <= 60 * 22


def test_the_webp_has_a_frame_for_each_picture_and_red_borders_in_the_alarm(objects):
    with Image.open(io.BytesIO(webp(objects, 1, "one", FILM))) as film:
        assert film.n_frames == 6
        colours: list[Any] = []
        durations = []
        for number in range(6):
            film.seek(number)
            film.load()
            durations.append(film.info["duration"])
            colours.append(film.convert("RGB").getpixel((film.width // 2, 1)))
    assert durations[2] == durations[3] == durations[5] == HOLD_MS
    red, green, blue = colours[3]
    assert red > 120 and green < 90 and blue < 90
    assert colours[0][1] > 100


def test_pictures_that_are_gone_are_left_out(objects):
    objects.delete([object_name(1, "one", 60)])
    with Image.open(io.BytesIO(webp(objects, 1, "one", FILM))) as film:
        assert film.n_frames == 5
    with pytest.raises(TimeLapseError, match="No picture"):
        webp(objects, 1, "another", FILM)


def test_an_mp4_is_made_where_ffmpeg_is(objects):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    made = time_lapse.mp4(ffmpeg, objects, 1, "one", FILM)
    assert made[4:8] == b"ftyp"
    seen_by = subprocess.run([ffmpeg, "-i", "pipe:0"], input=made, capture_output=True, check=False)
    assert b"h264" in seen_by.stderr and b"320x240" in seen_by.stderr


def test_a_broken_ffmpeg_is_reported(objects):
    with pytest.raises(TimeLapseError, match="ffmpeg could not"):
        time_lapse.mp4("/bin/false", objects, 1, "one", FILM)


def test_a_film_of_an_alarm_that_rises_all_the_time_is_no_longer() -> None:
    film = shots([60 * number for number in range(5000)], course(*[9, 1] * 2500))
    assert len(film) <= MAX_FRAMES + MAX_RISES + 1
