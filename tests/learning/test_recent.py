"""The pictures of live prints that are held in memory: bounded, and those around an alarm."""

from __future__ import annotations

from layerwatch.learning import RecentPictures
from layerwatch.learning.recent import RecentPicture
from tests.support.feedback import jpeg, recent


def held(pictures: RecentPictures, context: str = "c") -> list[float]:
    return [one.second for one in pictures.around(context)]


def test_the_newest_and_two_before_it_are_held() -> None:
    pictures = RecentPictures()
    for second in range(6):
        pictures.put("c", recent(jpeg(second), second=second))
    assert held(pictures) == [5, 4, 3]
    newest = pictures.get("c")
    assert newest is not None and newest.second == 5


def test_the_picture_that_alarmed_most_is_held_besides() -> None:
    pictures = RecentPictures()
    for second, probability in enumerate([0.1, 0.8, 0.95, 0.7, 0.1, 0.1, 0.1]):
        picture = recent(jpeg(second), probability, second, alarmed=probability > 0.5)
        pictures.put("c", picture)
    assert held(pictures) == [6, 5, 4, 2]


def test_pictures_that_show_the_same_are_held_once() -> None:
    pictures = RecentPictures()
    pictures.put("c", recent(jpeg(1), second=0))
    for second in range(1, 6):
        pictures.put("c", recent(jpeg(2), second=second))
    assert held(pictures) == [5, 0]


def test_memory_is_bounded_and_the_newest_of_each_print_go_last() -> None:
    size = len(jpeg(0))
    pictures = RecentPictures(capacity_bytes=4 * size + 4000)
    for context in "abcd":
        for second in range(4):
            pictures.put(context, recent(jpeg(second), second=second))
    in_memory = [one for context in "abcd" for one in pictures.held(context)]
    assert sum(len(one.jpeg) for one in in_memory) <= 2 * (4 * size + 4000)
    assert [pictures.get(context) is not None for context in "abcd"] == [True] * 4
    assert [len(held(pictures, context)) for context in "ad"] == [1, 3]


def test_the_longest_unseen_print_goes_first() -> None:
    pictures = RecentPictures(capacity_bytes=3 * len(jpeg(1)))
    for number in range(10):
        pictures.put(f"c{number}", recent(jpeg(1)))
    assert [pictures.get(f"c{number}") is not None for number in range(10)] == [False] * 7 + [True] * 3


def test_a_picture_crosses_to_another_process_unchanged() -> None:
    picture = recent(jpeg(1), 0.9, 12.5, alarmed=True)
    assert RecentPicture.from_bytes(picture.to_bytes()) == picture
