"""While two models are compared, waiting pictures are scored by the one that has not judged them."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select

from layerwatch.learning import ExampleStore
from layerwatch.learning.models import ExampleRow
from layerwatch.learning.queue import queue
from layerwatch.learning.second_opinions import PICTURES, SecondOpinions
from layerwatch.storage import Database, DatabaseGateway, ObjectStore
from layerwatch.vision.errors import Busy
from layerwatch.vision.evidence import Evidence
from tests.support.feedback import give, jpeg, recent


class Compared:
    """Two models; the second one says `probability`, or is busy."""

    def __init__(self, probability: float | None = 0.8) -> None:
        self.compared: str | None = "candidate packaged"
        self.probability = probability
        self.asked: list[str | None] = []

    async def second_opinion(self, jpeg: bytes, judged_by: str | None) -> Evidence | None:
        self.asked.append(judged_by)
        if self.probability is None:
            raise Busy("full")
        return replace(recent(jpeg).evidence, failure_probability=self.probability)


def opinions(database: Database) -> list[float | None]:
    with database.read() as session:
        return list(session.scalars(select(ExampleRow.second_probability).order_by(ExampleRow.id)))


async def test_a_waiting_picture_is_scored_once_for_each_pair_of_models(
    migrated: Database, examples: ExampleStore, account: int
) -> None:
    give(migrated, examples, account, "false_alarm", recent(jpeg(1), 0.1))
    models = Compared()
    scorer = SecondOpinions(DatabaseGateway(migrated), examples, models)
    assert [await scorer.score() for _ in range(2)] == [1, 0]
    assert (opinions(migrated), models.asked) == ([0.8], ["test-1"])
    models.compared, models.probability = "next candidate", 0.2
    assert await scorer.score() == 1
    assert opinions(migrated) == [0.2]


async def test_what_the_two_disagree_on_comes_first(
    migrated: Database, examples: ExampleStore, account: int
) -> None:
    (agreed,) = give(migrated, examples, account, "false_alarm", recent(jpeg(1), 0.78, 1))
    (disputed,) = give(migrated, examples, account, "false_alarm", recent(jpeg(2), 0.2, 2))
    await SecondOpinions(DatabaseGateway(migrated), examples, Compared(0.8)).score()
    with migrated.read() as session:
        assert [one.row.id for one in queue(session)] == [disputed, agreed]


async def test_nothing_is_scored_while_no_models_are_compared_or_the_detector_is_full(
    migrated: Database, examples: ExampleStore, account: int
) -> None:
    give(migrated, examples, account, "false_alarm", recent(jpeg(1), 0.1))
    models = Compared(None)
    scorer = SecondOpinions(DatabaseGateway(migrated), examples, models)
    assert await scorer.score() == 0
    models.compared = None
    assert await scorer.score() == 0
    assert (opinions(migrated), len(models.asked)) == ([None], 1)


async def test_a_missing_picture_does_not_hold_up_the_others(
    migrated: Database, objects: ObjectStore, examples: ExampleStore, account: int
) -> None:
    for number in range(PICTURES + 1):
        give(migrated, examples, account, "false_alarm", recent(jpeg(number), 0.1, number))
    with migrated.read() as session:
        last = session.scalars(select(ExampleRow.sha256).order_by(ExampleRow.id.desc())).first()
    objects.delete([one.name for one in objects.list("examples") if last and last in one.name])
    scorer = SecondOpinions(DatabaseGateway(migrated), examples, Compared())
    assert [await scorer.score() for _ in range(3)] == [PICTURES, 1, 0]
    assert opinions(migrated) == [0.8] * PICTURES + [None]
