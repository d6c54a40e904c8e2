"""The demo from beginning to end; every step is what a user, a reviewer or an operator does."""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from layerwatch.vision.evidence import KINDS
from layerwatch_train import train
from layerwatch_train.export import Calibration
from layerwatch_train.improve.judge import BETTER
from layerwatch_train.improve.recipe import Recipe
from layerwatch_train.improve.report import table
from layerwatch_train.improve.steps import Made, Order, improve
from layerwatch_train.improve_demo.data import Division, divide, write_folder
from layerwatch_train.improve_demo.server import (
    FOLLOW_S,
    DemoError,
    DemoServer,
    Shown,
    digest,
    running,
)
from layerwatch_train.index import Picture
from layerwatch_train.pipeline import deploy, train_jobs
from layerwatch_train.runs import Runs
from layerwatch_train.split import unit
from layerwatch_train.teacher.steps import alike

BASE_STEPS, BASE_BATCH, BASE_SIZE = 220, 32, 192
"""Of the first detector, where none is given: small, so that a processor core makes it in minutes."""

LIVE_PICTURES = 40
"""That the shadow is compared on at least, twice as many as it takes for a verdict (`rollout.comparison`)."""

_DETACHED = {"detached": "detachment"}


@dataclass(frozen=True, slots=True)
class Setting:
    """source: what the first detector has not seen.  begin: its file; made here if it is None.  flip: the
    printer with the most reports has the wrong labels, all of them.  reporting: see `divide`."""

    source: str
    begin: Path | None
    recipe: Recipe
    flip: bool
    reporting: int


def demo(runs: Runs, setting: Setting, say: Callable[[str], None], progress: Callable[[int], None]) -> Made:
    """Run it; returns what `improve` made. Raises DemoError when a step does not do what it should."""
    pictures = runs.pictures()
    parts = divide(pictures, setting.source, alike(runs), setting.reporting)
    begin = setting.begin or first_detector(runs, parts)
    base = write_folder(runs.out / "base", runs.data, parts.base)
    frozen = [
        write_folder(runs.out / f"{setting.source}, printers that nobody reported", runs.data, parts.held),
        write_folder(runs.out / "other sources", runs.data, parts.elsewhere),
    ]
    shutil.rmtree(runs.out / "server", ignore_errors=True)
    with running(runs.out / "server") as server:
        (added,) = server.command("models", "add", str(begin), "--force")
        server.command("models", "promote", added["model"], "--force")
        server.wait_for_model(added["version"])
        say(f"{added['version']} is active; it has seen nothing of {setting.source}")
        _collect(runs, server, pictures, parts, setting, say)
        server.wait_for_model(added["version"])  # its own trial beside the packaged detector has not ended it
        server.command("feedback", "export", str(runs.out / "reviewed"))
        order = Order(
            base, runs.out / "reviewed", runs.out / "improve", begin, tuple(frozen), recipe=setting.recipe
        )
        made = improve(order, say, progress)
        say(f"{made.verdict.outcome}: {'; '.join(made.verdict.why)}")
        if made.verdict.outcome == BETTER:
            _roll_out(runs, server, pictures, parts, made, say)
        else:
            _show_refusal(server, made, say)
    (runs.out / "table.md").write_text(table(made.judged) + "\n", encoding="utf-8")
    return made


def first_detector(runs: Runs, parts: Division) -> Path:
    """A small detector trained on the base pictures alone."""
    seen = np.zeros(len(runs.pictures()), bool)
    seen[parts.base] = True
    recipe = replace(runs.plan.recipe, steps=BASE_STEPS, batch=BASE_BATCH, size=BASE_SIZE)
    plan = replace(runs.plan, recipe=recipe)
    own = replace(runs, plan=plan)
    weights = train_jobs(own, [train.Job("base", recipe, ~seen)], runs.out / "models")["base"]
    deploy(own, weights, seen, runs.out / "models" / "base", Calibration(0.5, 0.5))
    return runs.out / "models" / "base.int8.onnx"


def _collect(
    runs: Runs,
    server: DemoServer,
    pictures: list[Picture],
    parts: Division,
    setting: Setting,
    say: Callable[[str], None],
) -> None:
    """Feedback over the API, and its review."""
    users: dict[str, list[Picture]] = defaultdict(list)
    for n in parts.reported:
        users[unit(pictures[n])].append(pictures[n])
    liar = max(users, key=lambda name: (len(users[name]), name)) if setting.flip else None
    labels, wrong = {}, 0
    for name, mine in sorted(users.items()):
        shown = []
        for picture in mine:
            file, failed = runs.data / picture.file, (picture.label == "failed") != (name == liar)
            kind = _DETACHED.get(picture.failure_type, picture.failure_type)
            shown.append(Shown(file, failed))
            labels[digest(file)] = (
                "failed" if failed else "good",
                kind if failed and kind in KINDS else "",
            )
        wrong += server.report(name, shown)
    count = server.review(labels)
    say(
        f"{len(users)} users reported {len(parts.reported)} pictures, {wrong} of them judged wrongly; "
        f"{count} are reviewed"
    )


def _roll_out(
    runs: Runs,
    server: DemoServer,
    pictures: list[Picture],
    parts: Division,
    made: Made,
    say: Callable[[str], None],
) -> None:
    """Gate, shadow, promotion."""
    rng = np.random.default_rng(0)
    good = [n for n in [*parts.elsewhere, *parts.held] if pictures[n].label == "good"]
    picked = rng.choice(good, min(LIVE_PICTURES, len(good)), replace=False)
    live = [Shown(runs.data / pictures[n].file, False) for n in picked]
    (added,) = server.command("models", "add", str(made.file))
    (step,) = server.command("models", "shadow", added["model"], "--share", "1")
    say(_shadowed(server, step["id"], live))
    try:
        server.command("models", "promote", added["model"])
    except DemoError as error:  # the server judges by its own threshold, on its own pictures
        say(f"refused: {error}")
        return
    server.wait_for_model(added["version"])
    say(f"{added['version']} is active")


def _shadowed(server: DemoServer, step: int, live: list[Shown]) -> str:
    """Healthy live pictures until the shadow has seen enough of them; what it found. Raises DemoError."""
    deadline = time.monotonic() + FOLLOW_S
    while time.monotonic() < deadline:
        server.watch("live", live)
        rows = [row for row in server.command("models", "list") if row.get("step") == step]
        if sum(row["pictures"] for row in rows) >= LIVE_PICTURES:
            row = rows[0]
            return (
                f"shadow: {row['pictures']} healthy live pictures, alarms {row['candidate_alarms']} (before: "
                f"{row['reference_alarms']}), {row['candidate_ms']} ms (before: {row['reference_ms']} ms)"
            )
    raise DemoError(f"the shadow has not seen {LIVE_PICTURES} pictures after {FOLLOW_S:.0f} s")


def _show_refusal(server: DemoServer, made: Made, say: Callable[[str], None]) -> None:
    try:
        server.command("models", "add", str(made.file))
    except DemoError as error:
        say(f"refused: {error}")
    else:
        raise DemoError("a candidate that is not better was taken")
