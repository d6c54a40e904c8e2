"""What a print starts from when its printer is known: less suspicion of what is usual there, and as much as
ever of what is new.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerwatch.temporal import MemoryFormatError, PrinterMemory, PrintState, false_alarm, learn
from layerwatch.vision import Evidence
from tests.temporal.frames import Camera, Watch

PLACE = ((2, 6),)
PICTURES = 40


def follow(camera: Camera, memory: PrinterMemory | None = None, pictures: int = PICTURES) -> Watch:
    watch = Watch(memory=memory)
    watch.see_all(camera.healthy() for _ in range(pictures))
    return watch


def after(watch: Watch, opening: Evidence, memory: PrinterMemory | None = None) -> PrinterMemory | None:
    assert watch.state is not None
    return learn(memory, watch.state, opening.thumbnail)


def known_printer(prints: int = 3) -> PrinterMemory:
    memory: PrinterMemory | None = None
    for seed in range(prints):
        memory = after(follow(Camera(seed), memory), Camera(100 + seed).healthy(), memory)
    assert memory is not None and memory.prints == prints
    return memory


def marked_printer() -> PrinterMemory:
    """A printer on which something at `PLACE` raised a warning that was a false alarm."""
    camera, watch = Camera(1), follow(Camera(0))
    watch.until("warning", (camera.failing(PLACE) for _ in range(20)))
    assert watch.state is not None
    watch.state = false_alarm(watch.state)
    watch.see_all(camera.healthy() for _ in range(20))
    memory = after(watch, Camera(100).healthy())
    assert memory is not None
    return memory


def test_the_same_bytes_come_back_and_are_few() -> None:
    memory = marked_printer()
    assert PrinterMemory.from_bytes(memory.to_bytes()) == memory
    assert len(memory.to_bytes()) < 1024
    state = follow(Camera(2), memory).state
    assert state is not None and state.familiar is not None
    assert PrintState.from_bytes(state.to_bytes()) == state


def test_bytes_of_another_kind_are_refused() -> None:
    data = known_printer().to_bytes()
    for other in (b"", b"LWM", b"LWT\x01" + data[4:], data[:3] + b"\x09" + data[4:], data[:-1], data + b"\0"):
        with pytest.raises(MemoryFormatError):
            PrinterMemory.from_bytes(other)


@settings(max_examples=100)
@given(at=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_damaged_memory_is_refused_or_still_works(at: int, value: int) -> None:
    damaged = bytearray(known_printer(1).to_bytes())
    damaged[at % len(damaged)] = value
    try:
        memory = PrinterMemory.from_bytes(bytes(damaged))
    except MemoryFormatError:
        return
    watch = follow(Camera(3), memory, pictures=12)
    assert 1 <= watch.verdicts[-1].quality <= 10
    after(watch, Camera(4).healthy(), memory)


def test_what_was_a_false_alarm_before_does_not_pause_the_next_print() -> None:
    camera, plain, known = Camera(5), follow(Camera(4)), follow(Camera(4), marked_printer())
    pictures = [camera.failing(PLACE) for _ in range(15)]
    assert any(verdict.pause for verdict in plain.see_all(pictures))
    assert not any(verdict.pause for verdict in known.see_all(pictures))


@settings(max_examples=20)
@given(row=st.integers(0, 7), column=st.integers(0, 3), strength=st.floats(0.6, 0.99))
def test_what_is_new_is_seen_as_soon_as_without_a_memory(row: int, column: int, strength: float) -> None:
    """Nothing of it is where something was marked, nor next to that."""
    camera = Camera(6)
    pictures = [camera.sees(strength, at=((row, column),)) for _ in range(25)]
    plain = follow(Camera(4)).see_all(pictures)
    known = follow(Camera(4), marked_printer()).see_all(pictures)
    assert [one.quality for one in known] == [one.quality for one in plain]


def test_more_than_was_marked_is_new() -> None:
    camera, known = Camera(7), follow(Camera(4), marked_printer())
    grown = [*PLACE, (3, 6), (4, 6), (5, 6), (3, 5), (4, 5), (5, 5)]
    known.until("pause", (camera.failing(grown) for _ in range(25)))


def test_a_failure_left_on_the_bed_is_no_scenery() -> None:
    memory, camera = known_printer(), Camera(8)
    pictures = [camera.failing() for _ in range(20)]
    assert not any(verdict.warning for verdict in Watch().see_all(pictures))
    assert any(verdict.pause for verdict in Watch(memory=memory).see_all(pictures))


def test_in_another_view_a_memory_changes_nothing() -> None:
    memory, moved = known_printer(), Camera(9, scene=3)
    pictures = [moved.healthy() for _ in range(10)] + [moved.failing() for _ in range(15)]
    plain, known = Watch(), Watch(memory=memory)
    assert known.see_all(pictures) == plain.see_all(pictures)
    assert known.state == plain.state


def test_a_camera_moved_during_the_print_ends_what_is_familiar() -> None:
    camera, watch = Camera(10), follow(Camera(4), marked_printer())
    other = Camera(11, scene=3)
    watch.see_all(other.healthy() for _ in range(6))
    assert watch.state is not None and watch.state.familiar is None
    watch.see_all(camera.healthy() for _ in range(6))
    assert watch.state.familiar is None


def test_a_print_that_ended_in_an_alarm_teaches_nothing() -> None:
    memory, camera, watch = known_printer(), Camera(12), follow(Camera(4))
    watch.until("warning", (camera.failing(PLACE) for _ in range(20)))
    assert after(watch, camera.healthy(), memory) == memory


def test_a_print_that_looked_failed_from_start_to_end_teaches_nothing() -> None:
    camera, watch = Camera(13), Watch()
    watch.see_all(camera.failing() for _ in range(PICTURES))
    assert not any(verdict.warning for verdict in watch.verdicts)
    assert after(watch, camera.failing()) is None


def test_a_print_of_a_few_pictures_teaches_nothing() -> None:
    assert after(follow(Camera(1), pictures=5), Camera(1).healthy()) is None


def test_one_print_does_not_make_a_place_usual() -> None:
    memory = known_printer()
    camera = Camera(14)
    camera.scenery[PLACE[0]] = 0.9
    learnt = after(follow(camera), camera.healthy(), memory)
    assert learnt is not None
    assert 100 < learnt.usual.max() < 0.6 * 255
