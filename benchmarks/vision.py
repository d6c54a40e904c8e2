"""What one picture costs: bytes of a 1280x720 JPEG to Evidence, against a bare ONNX Runtime loop.

    python benchmarks/vision.py                       the packaged detector, each precision that is there
    python benchmarks/vision.py --model a.onnx b.onnx --json

Each model is measured in a separate process. Rounds of Layerwatch and of the bare loop take turns, so that
other load on the machine hits both alike; on a loaded machine only the shares and the CPU time count. The
picture is made up (edges, slopes and grain at JPEG quality 80): what it shows matters to the decoder only.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import psutil
import simplejpeg
from PIL import Image
from rich.console import Console
from rich.table import Table

from layerwatch.vision import OnnxDetector, Vision
from layerwatch.vision.jpeg.decoder import decode_jpeg
from layerwatch.vision.model_files import packaged_models

WIDTH, HEIGHT = 1280, 720
CALLS_FOR_MEMORY = 1_000


def made_up_picture(seed: int) -> bytes:
    """A JPEG of 1280x720 and about 150 KB, as a webcam's."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (HEIGHT // 16, WIDTH // 16, 3), dtype=np.uint8)
    scene = np.asarray(Image.fromarray(small).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), dtype=float)
    edges = np.kron(rng.integers(-50, 50, (HEIGHT // 40, WIDTH // 40)), np.ones((40, 40)))
    pixels = scene + edges[..., None] + rng.normal(0, 4, (HEIGHT, WIDTH, 1))
    out = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=80)
    return out.getvalue()


class BareLoop:
    """The same work with nothing around it: decode, resize, run the session, take the answer."""

    def __init__(self, model: Path, size: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._size = size

    def run(self, jpeg: bytes) -> float:
        pixels = simplejpeg.decode_jpeg(jpeg, min_height=HEIGHT // 2, min_width=WIDTH // 2)
        image = Image.fromarray(pixels).resize((self._size, self._size), Image.Resampling.BILINEAR)
        return self.infer(np.asarray(image)[None])

    def infer(self, batch: np.ndarray) -> float:
        return float(self._session.run(["failure", "kinds", "map", "in_view"], {"image": batch})[0][0])


def turns(seconds: float, jobs: dict[str, Callable[[int], object]]) -> dict[str, list[float]]:
    """Milliseconds of each call, the jobs taking turns in rounds of 5 calls for `seconds` in all.

    "wall NAME" by the clock on the wall, "cpu NAME" what the thread computed.
    """
    times: dict[str, list[float]] = {f"{clock} {name}": [] for name in jobs for clock in ("wall", "cpu")}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, job in jobs.items():
            for number in range(5):
                began, cpu_began = time.perf_counter(), time.thread_time()
                job(number)
                times[f"cpu {name}"].append((time.thread_time() - cpu_began) * 1000)
                times[f"wall {name}"].append((time.perf_counter() - began) * 1000)
    return times


def rate(threads: int, seconds: float, job: Callable[[int], object]) -> float:
    """Calls a second, by as many threads on as many cores."""
    pin(threads)
    end = time.perf_counter() + seconds

    def work(_: int) -> int:
        done = 0
        while time.perf_counter() < end:
            job(done)
            done += 1
        return done

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(work, range(threads)))
    return done / (time.perf_counter() - began)


async def rate_concurrent(vision: Vision, jpegs: list[bytes], callers: int, seconds: float) -> float:
    """Calls a second when `callers` call `ainspect` side by side in one event loop."""
    end = time.perf_counter() + seconds

    async def call() -> int:
        done = 0
        while time.perf_counter() < end:
            await vision.ainspect(jpegs[done % len(jpegs)])
            done += 1
        return done

    began = time.perf_counter()
    done = sum(await asyncio.gather(*(call() for _ in range(callers))))
    return done / (time.perf_counter() - began)


def pin(cores: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, ALL_CORES[:cores])


ALL_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def measure(model: Path, seconds: float) -> dict[str, Any]:
    """All figures of one model file."""
    process = psutil.Process()
    before = process.memory_info().rss
    vision = Vision.load(model, threads=2)
    jpegs = [made_up_picture(seed) for seed in range(5)]

    async def many() -> None:
        for turn in range(CALLS_FOR_MEMORY // 25):
            await asyncio.gather(*(vision.ainspect(jpegs[n % 5]) for n in range(turn % 10 + 20)))

    asyncio.run(many())
    memory = process.memory_info().rss
    size = OnnxDetector(model).size
    bare = BareLoop(model, size)
    batch = np.asarray(Image.open(io.BytesIO(jpegs[0])).resize((size, size)))[None]
    pin(1)
    times = turns(
        seconds,
        {
            "inspect": lambda n: vision.inspect(jpegs[n]),
            "bare": lambda n: bare.run(jpegs[n]),
            "network": lambda n: bare.infer(batch),
            "decode": lambda n: decode_jpeg(jpegs[n], size),
        },
    )
    middle = {name: statistics.median(values) for name, values in times.items()}
    one = rate(1, seconds / 4, lambda n: vision.inspect(jpegs[n % 5]))
    two = rate(2, seconds / 4, lambda n: vision.inspect(jpegs[n % 5]))
    bare_two = rate(2, seconds / 4, lambda n: bare.run(jpegs[n % 5]))
    concurrent = asyncio.run(rate_concurrent(vision, jpegs, 8, seconds / 4))
    vision.close()
    return {
        "model": model.name,
        "input": size,
        "megabytes": model.stat().st_size / 1e6,
        "jpeg_kilobytes": statistics.mean(map(len, jpegs)) / 1000,
        "inspect_ms": middle["wall inspect"],
        "inspect_p95_ms": float(np.percentile(times["wall inspect"], 95)),
        "inspect_cpu_ms": middle["cpu inspect"],
        "decode_cpu_ms": middle["cpu decode"],
        "network_cpu_ms": middle["cpu network"],
        "bare_loop_ms": middle["wall bare"],
        "share_of_bare_loop": middle["cpu bare"] / middle["cpu inspect"],
        "rate_1": one,
        "rate_2": two,
        "scaling": two / one,
        "bare_rate_2": bare_two,
        "rate_8_callers": concurrent,
        "share_of_bare_2": concurrent / bare_two,
        "memory_added_mb": (memory - before) / 1e6,
        "memory_mb": memory / 1e6,
    }


ROWS = (
    ("file size, MB", "megabytes", ".1f"),
    ("input, pixels a side", "input", "d"),
    ("JPEG, KB", "jpeg_kilobytes", ".0f"),
    ("one core: bytes to Evidence, ms, median", "inspect_ms", ".2f"),
    ("   95th percentile", "inspect_p95_ms", ".2f"),
    ("   CPU time, median", "inspect_cpu_ms", ".2f"),
    ("      of which JPEG decoding", "decode_cpu_ms", ".2f"),
    ("      of which the network", "network_cpu_ms", ".2f"),
    ("   bare loop (decode, resize, run), ms", "bare_loop_ms", ".2f"),
    ("   throughput, share of the bare loop's", "share_of_bare_loop", ".0%"),
    ("pictures a second, 1 thread on 1 core", "rate_1", ".1f"),
    ("pictures a second, 2 threads on 2 cores", "rate_2", ".1f"),
    ("   ratio", "scaling", ".2f"),
    ("   bare loop, 2 threads", "bare_rate_2", ".1f"),
    ("   8 concurrent callers of ainspect", "rate_8_callers", ".1f"),
    ("   share of the bare loop's", "share_of_bare_2", ".0%"),
    (f"resident memory after {CALLS_FOR_MEMORY:,} calls, 20-29 at a time, MB", "memory_mb", ".0f"),
    ("   of which the model and its work", "memory_added_mb", ".0f"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, nargs="+", help="detector files (default: the packaged ones)")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each model's main measurement")
    parser.add_argument("--json", action="store_true", help="one JSON object a model")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    models = arguments.model or packaged_models()
    if not models:
        sys.exit("No detector file is packaged; name one with --model.")
    if arguments.child:
        print(json.dumps(measure(models[0], arguments.seconds)))
        return
    found = []
    for model in models:
        command = [
            sys.executable,
            __file__,
            "--child",
            "--model",
            str(model),
            "--seconds",
            str(arguments.seconds),
        ]
        found.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
        if arguments.json:
            print(json.dumps(found[-1]), flush=True)
    if arguments.json:
        return
    table = Table(
        title=f"Vision, {WIDTH}x{HEIGHT} JPEG, {len(ALL_CORES)} cores, ONNX Runtime {ort.__version__}"
    )
    table.add_column()
    for one in found:
        table.add_column(one["model"], justify="right")
    for label, key, style in ROWS:
        table.add_row(label, *(format(one[key], style) for one in found))
    Console().print(table)


if __name__ == "__main__":
    main()
