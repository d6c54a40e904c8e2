"""`layerwatch-train evaluate-beds`: the bed check on rendered printers, and on real empty beds.

Rendered: before each print the same head is parked over the same bed, in another light and with the camera
a little elsewhere; half of the pictures have parts of another print on the bed. Other rows are of printers
whose pictures are taken while they print already, the head and bed in another place each time.

Real: pictures of empty beds, each with copies in another light, shifted, noisy and compressed anew; half of
them with a piece of a real failure pasted on.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from layerwatch.simulator import Simulation
from layerwatch.simulator.backdrops import random_backdrop
from layerwatch.simulator.light import Light
from layerwatch.simulator.optics import FrameConditions, jpeg
from layerwatch.simulator.randomness import stream
from layerwatch.simulator.render import Renderer
from layerwatch.simulator.scene import BodyView, Scene
from layerwatch.vision.bed import BedAnswer, EmptyBed, bed_view
from layerwatch_train.index import Picture, read_index

SIZE = (320, 240)
EMPTY, LEFT = 8, 8
LEARNED = 6
"""Prints' starts that a bed is learned from."""

PARKED_Z = 15.0
MIN_SHARE, MIN_VISIBLE = 0.02, 0.002
"""A left-over counts from 2 % of the bed's area in the picture on, and 0.2 % of the picture."""

ASSUMED_BED = 0.4
"""Share of a real picture that its bed is taken to cover."""

BROKEN = ("torn", "corruption", "red bar", "overexposed", "underexposed")
"""Notes of pictures that are no whole picture of a bed."""


@dataclass(slots=True)
class Tally:
    """How often each answer was given, over beds that were clear and beds that were not."""

    name: str
    clear: list[BedAnswer]
    left: list[BedAnswer]

    def row(self) -> str:
        def share(answers: Sequence[BedAnswer], answer: BedAnswer) -> str:
            return f"{100 * answers.count(answer) / len(answers):.1f} %" if answers else "-"

        return (
            f"| {self.name} | {len(self.clear)} | {share(self.clear, BedAnswer.NOT_CLEAR)} "
            f"| {share(self.clear, BedAnswer.CANNOT_SAY)} | {len(self.left)} "
            f"| {share(self.left, BedAnswer.NOT_CLEAR)} | {share(self.left, BedAnswer.CANNOT_SAY)} |"
        )


HEAD = (
    "| | clear beds | held for nothing | cannot say | left-overs | found | cannot say |\n"
    "|---|---|---|---|---|---|---|"
)


def evaluate_beds(
    data: Annotated[
        Path | None, typer.Option(help="Folder of index.csv, for real beds.", show_default=False)
    ] = None,
    printers: Annotated[int, typer.Option(min=1, help="Rendered printers.")] = 40,
    seed: Annotated[int, typer.Option(help="Of the first; 7000000 and on were chosen on.")] = 7_100_000,
) -> None:
    """Judge the bed check: how often a clear bed is held, and how often what lies there is found.

    Example: layerwatch-train evaluate-beds --data DATA_DIR
    """
    typer.echo(HEAD)
    for parked, name in ((True, "parked"), (False, "printing already")):
        rendered = [_printer(seed + 1000 * at, parked) for at in range(printers)]
        for learned in (1, LEARNED):
            how = "shown once" if learned == 1 else f"learned from {learned} starts"
            typer.echo(_judge(f"rendered, {name}, {how}", rendered, learned).row())
    if data is not None:
        typer.echo(_real(data, seed).row())


@dataclass(slots=True)
class _Bed:
    """Views of one bed: clear ones, the first of which are learned from, and ones with something on it."""

    clear: list[bytes]
    left: list[bytes]


def _judge(name: str, beds: Sequence[_Bed], learned: int) -> Tally:
    tally = Tally(name, [], [])
    for one in beds:
        known: EmptyBed | None = EmptyBed.teach(one.clear[0]) if learned == 1 else None
        for view in one.clear[:learned] if learned > 1 else ():
            known = EmptyBed.learn(known, view)
        assert known is not None
        tally.clear += [known.check(view).answer for view in one.clear[LEARNED:]]
        tally.left += [known.check(view).answer for view in one.left]
    return tally


def _printer(seed: int, parked: bool) -> _Bed:
    """One rendered printer's bed, empty and with parts on it."""
    rng = np.random.default_rng(seed)
    while True:
        seed += 1
        first = _simulation(seed, seed, nuisance=True)
        if not first.viewpoint.on_head:
            break
    backdrop = random_backdrop(stream(seed, "backdrop"), *SIZE, enclosed=first.world.enclosed)
    renderer = Renderer(first.world, first.viewpoint, backdrop, *SIZE)
    bed = _Bed([], [])
    number = 0
    while len(bed.clear) < LEARNED + EMPTY or len(bed.left) < LEFT:
        number += 1
        now = _simulation(seed + number, seed, nuisance=False)
        scene = now.scene(float(rng.uniform(0, 25)))
        if parked:
            scene.bodies, scene.strips = [], []
            scene.nozzle, scene.away = np.append(now.world.park, PARKED_Z), True
        if len(bed.clear) == LEARNED + EMPTY and not _leave_parts(scene, now, renderer, seed + 500, rng):
            if number > 20 * LEFT:
                break
            continue
        light = Light(now.light.towards, now.light.key * _factor(rng), now.light.ambient * _factor(rng))
        image, _ = renderer.paint(scene, light, bump=rng.normal(0, 0.3, 3))
        warm = float(rng.normal(0, 0.03))
        moment = FrameConditions(
            now.metered(image) * _factor(rng), 0.0, (1 + warm, 1.0, 1 - warm), 1.0, False
        )
        shown = bed_view(jpeg(first.optics.develop(image, moment, rng, 0.0), first.optics.quality))
        (bed.left if len(bed.clear) == LEARNED + EMPTY else bed.clear).append(shown)
    return bed


def _simulation(seed: int, printer: int, *, nuisance: bool) -> Simulation:
    return Simulation(seed, duration=3600, nuisance=nuisance, size=SIZE, printer=printer)


def _factor(rng: np.random.Generator) -> float:
    return float(np.exp(rng.normal(0, 0.12)))


def _leave_parts(
    scene: Scene, now: Simulation, renderer: Renderer, seed: int, rng: np.random.Generator
) -> bool:
    """Put parts of another print on the bed; whether they are large enough to count."""
    other = _simulation(seed + int(rng.integers(400)), now.printer, nuisance=False)
    layers = int(other.print.count * rng.uniform(0.05, 1)) + 1
    chosen = [body for body in other.print.bodies if rng.random() < 0.5] or other.print.bodies[:1]
    stretch = other.print.step / scene.step
    parts = [
        BodyView(
            body, min(layers, body.top_layer), other.colours, gloss=other.gloss, stretch=stretch, label=1
        )
        for body in chosen
    ]
    bare = Scene(scene.step, scene.nozzle, bodies=parts, away=scene.away)
    visible = float((renderer.glance(bare, now.light) > 0).mean())
    for part in parts:
        part.label = 0
    scene.bodies.extend(parts)
    return visible >= MIN_VISIBLE and visible >= MIN_SHARE * _bed_share(scene, now)


def _bed_share(scene: Scene, now: Simulation) -> float:
    """Share of the picture that the bed's outline covers."""
    pose = now.world.pose(scene.nozzle)
    outline, _ = now.viewpoint.camera(*SIZE, pose.head).project(now.world.bed.outline() + pose.bed)
    mask = Image.new("L", SIZE, 0)
    if np.isfinite(outline).all():
        ImageDraw.Draw(mask).polygon(outline.ravel().tolist(), 255)
    return float((np.asarray(mask) > 0).mean())


def _real(data: Path, seed: int) -> Tally:
    """Real empty beds, each with copies that a camera could have made, half of them with a left-over."""
    rng = np.random.default_rng(seed)
    index = read_index(data)
    pieces = list(_pieces(data, index))
    tally = Tally("", [], [])
    beds = [one for one in index if _is_empty_bed(one)]
    for one in beds:
        with Image.open(data / one.file) as opened:
            picture = opened.convert("RGB").resize((640, 480), Image.Resampling.BILINEAR)
        known = EmptyBed.teach(bed_view(_encoded(picture, 90)))
        for number in range(40):
            copy = picture.copy()
            if number % 2:
                _paste(copy, pieces[int(rng.integers(len(pieces)))], rng)
            answer = known.check(bed_view(_seen_again(copy, rng))).answer
            (tally.left if number % 2 else tally.clear).append(answer)
    tally.name = f"{len(beds)} real beds, left-overs pasted, shown once"
    return tally


def _is_empty_bed(one: Picture) -> bool:
    about = f"{one.note} {one.group}".lower()
    empty = "empty bed" in about or "emptybed" in about or "empty glass bed" in about
    return one.label == "other" and empty and not any(word in about for word in BROKEN)


def _pieces(data: Path, index: Sequence[Picture]) -> Iterator[Image.Image]:
    """Cut-outs of real failures, at least 60 pixels wide and high."""
    for one in index:
        if one.label != "failed" or one.view != "webcam":
            continue
        for box in one.failures[:1]:
            with Image.open(data / one.file) as opened:
                width, height = opened.size
                left, top = (box.x - box.width / 2) * width, (box.y - box.height / 2) * height
                right, bottom = left + box.width * width, top + box.height * height
                piece = opened.convert("RGB").crop((round(left), round(top), round(right), round(bottom)))
            if min(piece.size) >= 60:
                yield piece


def _paste(picture: Image.Image, piece: Image.Image, rng: np.random.Generator) -> None:
    """Lay a piece on the lower part of the picture, as a soft-edged ellipse of 2 to 15 % of the bed."""
    share = ASSUMED_BED * float(np.exp(rng.uniform(np.log(MIN_SHARE), np.log(0.15))))
    area = share * picture.width * picture.height * 4 / np.pi
    ratio = min(max(piece.width / piece.height, 0.5), 2.0)
    width, height = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
    mask = Image.new("L", (width, height), 0)
    ImageDraw.Draw(mask).ellipse((0, 0, width - 1, height - 1), 255)
    left = int(rng.uniform(0.15, 0.85) * picture.width - width / 2)
    top = int(rng.uniform(0.45, 0.85) * picture.height - height / 2)
    soft = mask.filter(ImageFilter.GaussianBlur(2))
    picture.paste(piece.resize((width, height), Image.Resampling.BILINEAR), (left, top), soft)


def _seen_again(picture: Image.Image, rng: np.random.Generator) -> bytes:
    """The same scene as another picture of the camera: light, white balance, shake, noise, compression."""
    pixels: NDArray[np.float64] = np.asarray(picture, np.float64)
    pixels = np.roll(pixels, tuple(rng.integers(-2, 3, 2)), axis=(0, 1))
    warm = float(rng.normal(0, 0.03))
    slope = 1 + float(rng.normal(0, 0.05)) * np.linspace(-1, 1, pixels.shape[1])[None, :, None]
    pixels = pixels * _factor(rng) * slope * np.array([1 + warm, 1, 1 - warm])
    pixels = pixels + rng.normal(0, 3, pixels.shape)
    again = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGB")
    return _encoded(again, int(rng.integers(65, 92)))


def _encoded(picture: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()
