"""From reviewed feedback to a candidate, on made-up pictures: accounts, withdrawals, the verdict."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from layerwatch.vision.detector import OnnxDetector
from layerwatch_train import export, quantise
from layerwatch_train.cli import app
from layerwatch_train.improve import judge
from layerwatch_train.improve.accounts import account_shares
from layerwatch_train.improve.examples import Example, read_examples
from layerwatch_train.improve.feed import Feed
from layerwatch_train.improve.recipe import QUICK
from layerwatch_train.improve.steps import REPORT_KEY, Made, Order, improve
from layerwatch_train.index import Picture
from layerwatch_train.model import VARIANTS, Detector
from layerwatch_train.student.served import read_calibration

SIZE = 64
CALIBRATION = export.Calibration(scale=0.6, wide=0.5, shift=-0.3, map_scale=1.1, map_shift=-0.2)


@pytest.fixture(scope="module")
def current(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector with ImageNet's trunk that knows nothing of failures yet."""
    torch.manual_seed(3)
    folder, detector = tmp_path_factory.mktemp("current"), Detector()
    detector.trunk.load_imagenet(VARIANTS["lite0"])
    weights = detector.state_dict()
    for name, value in weights.items():  # equal constants would be kept once in the file
        if name.endswith((".shift", ".bias", "blend")):
            weights[name] = value + 0.02 * torch.randn_like(value)
    whole = export.export(weights, "lite0", SIZE, CALIBRATION, folder / "whole.onnx", "test", "2026-11-28")
    pictures = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)
    return quantise.quantise(whole, folder / "detector.onnx", pictures)


def scene(rng: np.random.Generator, failed: bool) -> Image.Image:
    """A plain bed; a failed one holds a patch of noise."""
    image = np.full((96, 128, 3), rng.integers(60, 180, 3), np.uint8)
    image[20:80, 30:100] = rng.integers(60, 180, 3)
    if failed:
        image[30:75, 30:95] = rng.integers(0, 255, (45, 65, 3))
    return Image.fromarray(image)


def base_data(folder: Path, count: int = 120) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(1)
    rows = ["file,source,label,failure_type,view,group"]
    for n in range(count):
        scene(rng, n % 2 == 1).save(folder / f"{n}.jpg")
        kind = "failed,spaghetti" if n % 2 else "good,"
        rows.append(f"{n}.jpg,base,{kind},webcam,printer{n // 2 % 30}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder


def feedback(folder: Path, flipped: tuple[str, ...] = (), accounts: int = 5, each: int = 12) -> Path:
    """Reviewed examples as `layerwatch feedback export` writes them. flipped: accounts whose labels lie."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(2)
    rows = ["file,source,label,failure_type,view,group,sequence,sha256,account,reviewed_at,near"]
    for n in range(accounts * each):
        account, failed = f"account{n // each}", n % 2 == 1
        scene(rng, failed).save(folder / "images" / f"{n}.jpg")
        digest = hashlib.sha256((folder / "images" / f"{n}.jpg").read_bytes()).hexdigest()
        said = "failed,spaghetti" if failed != (account in flipped) else "good,"
        at = f"2026-11-{10 + n // each:02}T00:00:00"
        rows.append(f"images/{n}.jpg,feedback,{said},webcam,{account},print{n // 4},{digest},{account},{at},")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, current: Path) -> tuple[Order, Made]:
    """A short training with an account that lies."""
    folder = tmp_path_factory.mktemp("improve")
    order = Order(
        base_data(folder / "base"),
        feedback(folder / "reviewed", flipped=("account1",)),
        folder / "out",
        begin=current,
        recipe=replace(QUICK, steps=40),
    )
    return order, improve(order, lambda text: None)


def test_an_account_whose_labels_contradict_all_others_is_left_out(made: tuple[Order, Made]) -> None:
    order, result = made
    assert [one.account for one in result.accounts if one.left_out] == ["account1"]
    assert "account1" in result.report.read_text()
    lies = {e.sha256 for e in read_examples(order.reviewed) if e.account == "account1"}
    assert not lies & set(json.loads((result.file.parent / "manifest.json").read_text()))


def test_a_batch_of_flipped_labels_changes_nothing(
    tmp_path: Path, made: tuple[Order, Made], current: Path
) -> None:
    """With the liar, and without its account from the beginning, the same pictures are learned from."""
    order, result = made
    with (order.reviewed / "index.csv").open() as file:
        rows = [row for row in csv.reader(file) if "account1" not in row]
    honest = tmp_path / "honest"
    honest.mkdir()
    (honest / "images").symlink_to(order.reviewed / "images")
    with (honest / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    again = improve(replace(order, reviewed=honest), lambda text: None)
    assert again.file == result.file


def test_an_account_that_is_trusted_is_used(made: tuple[Order, Made], tmp_path: Path) -> None:
    order, _ = made
    trusting = replace(
        order, trusted=frozenset({"account1"}), out=tmp_path / "out", recipe=replace(QUICK, steps=1)
    )
    assert not any(one.left_out for one in improve(trusting, lambda text: None).accounts)


def test_the_candidate_learns_what_users_showed_and_carries_its_report(made: tuple[Order, Made]) -> None:
    _, result = made
    assert result.verdict.outcome == judge.BETTER, result.verdict
    assert OnnxDetector(result.file).size == SIZE
    found = {p.key: p.value for p in onnx.load(result.file).metadata_props}
    assert json.loads(found[REPORT_KEY])["verdict"] == "better"
    kept = read_calibration(result.file)
    assert (kept.scale, kept.wide, kept.shift) == pytest.approx((0.6, 0.5, -0.3))
    assert (kept.map_scale, kept.map_shift) == pytest.approx((1.1, -0.2))


def test_a_finished_training_is_not_repeated(made: tuple[Order, Made]) -> None:
    order, result = made
    done: list[int] = []
    assert improve(order, lambda text: None, done.append).file == result.file
    assert done == [order.recipe.steps]


def test_a_withdrawal_deletes_every_training_that_used_the_picture(
    tmp_path: Path, made: tuple[Order, Made]
) -> None:
    order, result = made
    used = json.loads((result.file.parent / "manifest.json").read_text())
    mine = [e.sha256 for e in read_examples(order.reviewed) if e.sha256 in used]
    reviewed = tmp_path / "reviewed"
    reviewed.mkdir()
    (reviewed / "images").symlink_to(order.reviewed / "images")
    (reviewed / "index.csv").write_text((order.reviewed / "index.csv").read_text())
    (reviewed / "withdrawn.txt").write_text(mine[0] + "\n")
    out = tmp_path / "out"
    kept = out / result.file.parent.name
    kept.mkdir(parents=True)
    for name in ("manifest.json", "checkpoint.pt", "candidate.onnx"):
        (kept / name).write_bytes((result.file.parent / name).read_bytes())
    short = replace(order, reviewed=reviewed, out=out, recipe=replace(QUICK, steps=1))
    again = improve(short, lambda text: None)
    assert not kept.exists()
    assert mine[0] not in json.loads((again.file.parent / "manifest.json").read_text())


def test_the_command_ends_with_a_verdict(tmp_path: Path, current: Path) -> None:
    arguments = ["improve", "--data", str(base_data(tmp_path / "base", 40)), "--quick"]
    arguments += ["--reviewed", str(feedback(tmp_path / "reviewed")), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, "--begin", str(current)])
    assert result.exit_code in (0, 1), result.output
    (report,) = tmp_path.glob("out/*/report.md")
    assert f"**Verdict: {result.stdout.split(':')[0]}.**" in report.read_text()
    assert list(report.parent.glob("set0.png"))


def example(account: str, n: int, failed: bool) -> Example:
    picture = Picture("f", "", "", "failed" if failed else "good", "", "webcam", account, f"p{n // 5}", n, ())
    return Example(picture, f"{account}{n}", account, "", f"{account}{n}")


def test_no_account_makes_up_more_than_its_share() -> None:
    examples = [example("large", n, n % 3 == 0) for n in range(500)]
    examples += [example(f"small{k}", n, n % 2 == 0) for k in range(9) for n in range(4)]
    shares = account_shares(examples, 0.5, 0.1)
    of_large = sum(s for s, e in zip(shares, examples, strict=True) if e.account == "large")
    assert of_large == pytest.approx(0.1)
    assert shares.sum() == pytest.approx(0.5)
    assert (shares > 0).all()


def test_a_single_account_cannot_fill_the_room_of_others() -> None:
    examples = [example("one", n, n % 2 == 0) for n in range(100)]
    assert account_shares(examples, 0.5, 0.1).sum() == pytest.approx(0.1)


def judged(gain: float, name: str = "set", groups: int = 100) -> judge.Judged:
    """A set on which the candidate's scores lie `gain` further apart than the current ones."""
    rng = np.random.default_rng(0)
    failed = np.arange(400) % 2 == 0
    noise = rng.normal(0, 1, 400)
    logits = np.stack([noise + failed * 1.0, noise + failed * (1.0 + gain)], axis=1)
    scores = 1 / (1 + np.exp(-(logits - 0.5)))
    return judge.compared(name, scores, failed, [str(n * groups // 400) for n in range(400)], rounds=200)


def test_a_gain_beyond_its_interval_is_better() -> None:
    assert judge.verdict([judged(1.0)]).outcome == judge.BETTER


def test_no_difference_is_not_better() -> None:
    assert judge.verdict([judged(0.0)]).outcome == judge.NOT_BETTER


def test_a_loss_on_any_set_is_worse_and_named() -> None:
    found = judge.verdict([judged(1.0, "newest"), judged(-0.5, "elsewhere")])
    assert found.outcome == judge.WORSE
    assert all(reason.startswith("elsewhere") for reason in found.why)


def test_users_who_report_false_alarms_alone_are_judged_by_those() -> None:
    scores, groups = np.stack([np.full(40, 0.7), np.full(40, 0.2)], axis=1), [str(n) for n in range(40)]
    good = np.zeros(40, bool)
    assert judge.verdict([judge.compared("set", scores, good, groups, 100)]).outcome == judge.BETTER
    assert judge.verdict([judge.compared("set", scores[:, ::-1], good, groups, 100)]).outcome == judge.WORSE


def test_the_interval_of_a_few_groups_decides_nothing_but_a_large_drop_does() -> None:
    assert judge.verdict([judged(1.0, groups=4)]).outcome == judge.NOT_BETTER
    assert judge.verdict([judged(-0.5, groups=4)]).outcome == judge.WORSE


def test_reports_of_one_label_are_balanced_by_base_pictures_of_the_other(tmp_path: Path) -> None:
    base = read_examples(base_data(tmp_path / "base"))
    missed = [e for e in read_examples(feedback(tmp_path / "reviewed")) if e.failed]
    shares = account_shares(missed, 0.3, 0.1)
    feed = Feed(replace(QUICK, batch=64), SIZE, base, missed, shares)
    batches = [feed.batch(step) for step in range(4)]
    failed = float(torch.cat([batch.labels for batch in batches]).mean())
    assert 0.35 < failed < 0.6
    assert all(batch.labels[batch.reviewed].all() for batch in batches)
