"""The steps of `layerwatch-train improve`. Each training has a folder named by everything that it depends on,
so that one that was stopped continues, and one with other pictures starts afresh."""

from __future__ import annotations

import datetime
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from layerwatch.vision.model_files import packaged_models
from layerwatch_train import export, quantise
from layerwatch_train.finetune import fit
from layerwatch_train.improve import judge, report
from layerwatch_train.improve.accounts import AccountCheck, account_shares, check_accounts, features
from layerwatch_train.improve.examples import (
    Decoded,
    Example,
    read_examples,
    read_withdrawn,
    split_newest,
)
from layerwatch_train.improve.feed import Feed
from layerwatch_train.improve.fit import Improvement
from layerwatch_train.improve.recipe import Recipe
from layerwatch_train.index import IndexFormatError
from layerwatch_train.pipeline import range_pictures
from layerwatch_train.split import assign_folds
from layerwatch_train.student.served import read, read_calibration
from layerwatch_train.train import Weights, load

VARIANT = "lite0"

REPORT_KEY = "layerwatch.report"
"""In the candidate's metadata: its figures as JSON, which `layerwatch models add` reads."""

FROZEN_FOLDS = 5
"""Without a frozen set, a fold of so many of the base data is left out of the training and judged on."""

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done. base, reviewed: folders with index.csv.  begin: the current detector's file; the
    packaged one by default.  frozen: folders of pictures that are only judged on.  trusted: accounts that are
    used whatever the check says."""

    base: Path
    reviewed: Path
    out: Path
    begin: Path | None = None
    frozen: tuple[Path, ...] = ()
    trusted: frozenset[str] = frozenset()
    recipe: Recipe = field(default_factory=Recipe)


@dataclass(frozen=True, slots=True)
class Material:
    """Pictures by what they are used for; no picture is in two of them."""

    base: list[Example]
    reviewed: list[Example]
    sets: list[judge.Set]


@dataclass(frozen=True, slots=True)
class Made:
    """file: the candidate, ready for `layerwatch models add`.  report: Markdown."""

    file: Path
    report: Path
    verdict: judge.Verdict
    judged: list[judge.Judged]
    accounts: list[AccountCheck]


def improve(
    order: Order, log: Callable[[str], None], progress: Callable[[int], None] = lambda step: None
) -> Made:
    """Train a candidate and judge it. progress: called with the steps done.

    Raises IndexFormatError and DetectorFileError.
    """
    begin = order.begin or packaged_models()[0]
    withdrawn = read_withdrawn(order.reviewed)
    forget(order.out, withdrawn)
    first, size, calibration = read(begin, VARIANT), _size(begin), read_calibration(begin)
    base = read_examples(order.base, withdrawn)
    reviewed = read_examples(order.reviewed, withdrawn)
    frozen = [(folder, read_examples(folder, withdrawn)) for folder in order.frozen]
    checks = _checked(order, first, size, base, reviewed)
    left_out = {one.account for one in checks if one.left_out}
    for account in sorted(left_out):
        log(f"account {account or '-'} is left out: its labels contradict all others")
    kept = [e for e in reviewed if e.account not in left_out]
    material = arrange(base, kept, frozen, order.recipe.newest_share)
    if not material.reviewed:
        raise IndexFormatError(f"{order.reviewed} holds no example to learn from")
    shares = _shares(order.recipe, material.reviewed)
    folder = order.out / _fingerprint(begin, material, order.recipe)
    _write_manifest(folder, [*material.base, *material.reviewed])
    log(f"learns from {len(material.base)} base pictures and {len(material.reviewed)} reviewed examples")
    feed = Feed(order.recipe, size, material.base, material.reviewed, shares)
    training = Improvement(order.recipe, first, VARIANT)
    weights = fit(training, feed.batch, folder / "checkpoint.pt", log, progress)
    candidate = _deploy(folder, calibration, weights, size, [*material.base, *material.reviewed])
    log("judges both detectors")
    judged = judge.judge(material.sets, begin, candidate, size)
    verdict = judge.verdict(judged)
    _annotate(candidate, {**judge.as_json(judged, verdict), "begin": _digest(begin)})
    written = report.write(folder, _facts(order, begin, material, shares), checks, judged, verdict)
    return Made(candidate, written, verdict, judged, checks)


def forget(out: Path, withdrawn: frozenset[str]) -> list[Path]:
    """Delete every earlier training, with its checkpoint and candidate, that has used a withdrawn picture."""
    gone = []
    for manifest in sorted(out.glob(f"*/{MANIFEST}")):
        used = json.loads(manifest.read_text(encoding="utf-8"))
        if withdrawn & set(used):
            shutil.rmtree(manifest.parent)
            gone.append(manifest.parent)
    return gone


def arrange(
    base: Sequence[Example],
    reviewed: Sequence[Example],
    frozen: Sequence[tuple[Path, Sequence[Example]]],
    newest_share: float,
) -> Material:
    """Divide pictures into those to learn from and those to judge on. What is judged on is not learned from,
    under any name."""
    sets: list[judge.Set] = []
    if not frozen:
        folds = assign_folds([e.picture for e in base], FROZEN_FOLDS)
        held = [e for e, fold in zip(base, folds, strict=True) if fold == 0]
        sets += [judge.Set("base data, a fold that the candidate did not see", held)]
    for folder, examples in frozen:
        for view in ("webcam", "closeup"):
            seen = [e for e in examples if e.picture.view == view]
            sets.append(judge.Set(f"{folder.name}, {view}", seen))
    judged_on = {e.sha256 for one in sets for e in one.examples}
    learn, newest = split_newest([e for e in reviewed if e.sha256 not in judged_on], newest_share)
    judged_on |= {e.sha256 for e in newest}
    sets.insert(0, judge.Set("newest reviewed examples", newest))
    mine = {e.sha256 for e in learn}
    rest = [e for e in base if e.sha256 not in judged_on | mine]
    return Material(rest, learn, [one for one in sets if one.examples])


def _checked(
    order: Order, first: Weights, size: int, base: Sequence[Example], reviewed: Sequence[Example]
) -> list[AccountCheck]:
    rng = np.random.default_rng(order.recipe.seed)
    webcam = [e for e in base if e.picture.view == "webcam"] or list(base)
    count = min(order.recipe.base_probes, len(webcam))
    probes = [webcam[n] for n in sorted(rng.choice(len(webcam), count, replace=False))]
    detector = load(VARIANT, first)
    seen, base_seen = (features(detector, Decoded(part), size) for part in (reviewed, probes))
    return check_accounts(reviewed, seen, probes, base_seen, order.trusted)


def _shares(recipe: Recipe, reviewed: Sequence[Example]) -> NDArray[np.float64]:
    total = min(recipe.reviewed_share, recipe.repeats * len(reviewed) / (recipe.steps * recipe.batch))
    return account_shares(reviewed, total, recipe.account_share)


def _deploy(
    folder: Path, calibration: export.Calibration, weights: Weights, size: int, seen: Sequence[Example]
) -> Path:
    """Write `folder/candidate.onnx`, int8."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    version = f"{VARIANT}-{size}-{today.replace('-', '')}-{folder.name[:6]}"
    whole = export.export(
        weights, VARIANT, size, calibration, folder / "candidate.float32.onnx", version, today
    )
    usable = np.ones(len(seen), bool)
    picked = range_pictures([e.picture for e in seen], usable, np.random.default_rng(0))
    return quantise.quantise(whole, folder / "candidate.onnx", Decoded(seen).at(size, picked.tolist()))


def _annotate(path: Path, figures: dict[str, object]) -> None:
    graph = onnx.load(path)
    graph.metadata_props.add(key=REPORT_KEY, value=json.dumps(figures))
    onnx.save(graph, path)


def _facts(
    order: Order, begin: Path, material: Material, shares: NDArray[np.float64]
) -> list[tuple[str, str]]:
    largest: dict[str, float] = {}
    for example, share in zip(material.reviewed, shares.tolist(), strict=True):
        largest[example.account] = largest.get(example.account, 0.0) + share
    failed = sum(e.failed for e in material.reviewed)
    return [
        ("begins with", f"{begin.name} ({_digest(begin)[:12]})"),
        ("base pictures", str(len(material.base))),
        ("reviewed examples", f"{len(material.reviewed)} ({failed} failed) of {len(largest)} accounts"),
        ("share of samples: reviewed", f"{shares.sum():.0%}"),
        ("share of samples: largest account", f"{max(largest.values()):.1%}"),
        ("steps", f"{order.recipe.steps} of {order.recipe.batch}"),
    ]


def _write_manifest(folder: Path, used: Sequence[Example]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).write_text(json.dumps(sorted({e.sha256 for e in used})), encoding="utf-8")


def _fingerprint(begin: Path, material: Material, recipe: Recipe) -> str:
    used = sorted((e.sha256, e.picture.label, e.account) for e in [*material.base, *material.reviewed])
    text = json.dumps([_digest(begin), asdict(recipe), used])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _size(path: Path) -> int:
    metadata = {p.key: p.value for p in onnx.load(path).metadata_props}
    return int(metadata["layerwatch.size"])
