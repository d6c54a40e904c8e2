"""The files in `deploy/` for the watcher hold together, as far as that shows without running them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "systemd" / "layerwatch-watch.service"
ADD_ON = DEPLOY / "home-assistant" / "layerwatch"
DOCKERFILES = [*sorted((DEPLOY / "docker").glob("Dockerfile*")), ADD_ON / "Dockerfile"]


def lines(path: Path) -> list[str]:
    """Lines without comments, continued ones joined."""
    text = path.read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def add_on() -> dict[str, str]:
    """The manifest's top-level fields, as text."""
    pairs = (line.split(":", 1) for line in lines(ADD_ON / "config.yaml") if not line.startswith((" ", "-")))
    return {name.strip(): value.strip().strip('"') for name, value in pairs}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """Replace its programs, which are not installed here, by one that is."""
    text = UNIT.read_text().replace("/opt/layerwatch/bin/python", sys.executable)
    (tmp_path / UNIT.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / UNIT.name)], capture_output=True, text=True
    )
    ours = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert ours == []


def test_the_unit_keeps_its_state_and_may_write_nothing_else() -> None:
    unit = lines(UNIT)
    assert "StateDirectory=layerwatch" in unit, "the watcher finds it as $STATE_DIRECTORY"
    assert "ProtectSystem=strict" in unit
    assert "RestartPreventExitStatus=2" in unit


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_what_a_dockerfile_copies_exists(path: Path) -> None:
    stages = set()
    for line in lines(path):
        words = shlex.split(line)
        if words[0] == "FROM" and "AS" in words:
            stages.add(words[words.index("AS") + 1])
        if words[0] != "COPY":
            continue
        source = next((word[7:] for word in words if word.startswith("--from=")), None)
        if source is not None:
            assert source in stages
            continue
        for name in [word for word in words[1:-1] if not word.startswith("--")]:
            assert (ROOT / name).exists(), name


@pytest.mark.parametrize("path", DOCKERFILES[:2], ids=lambda path: path.name)
def test_a_container_does_not_run_as_root(path: Path) -> None:
    assert "USER layerwatch" in lines(path)


def test_the_add_ons_manifest_has_what_home_assistant_wants() -> None:
    """Required fields and their forms, as in its developer documentation ("Add-on configuration")."""
    manifest = add_on()
    for name in ("name", "version", "slug", "description", "arch"):
        assert manifest[name], name
    assert re.fullmatch(r"[-_.A-Za-z0-9]+", manifest["slug"])
    assert set(manifest["arch"].strip("[]").split(", ")) <= {"aarch64", "amd64", "armhf", "armv7", "i386"}
    assert manifest["startup"] in ("initialize", "system", "services", "application", "once")
    assert manifest["boot"] in ("auto", "manual", "manual_only")
    assert manifest["init"] in ("true", "false")
    assert manifest["webui"].startswith("http://[HOST]:[PORT:8080]")
    assert re.fullmatch(r"https?://\[HOST\]:\[PORT:8080\]/livez", manifest["watchdog"])
    text = (ADD_ON / "config.yaml").read_text()
    options, schema = (
        re.findall(rf"^{part}:\n((?:  .*\n?)+)", text, re.MULTILINE)[0] for part in ("options", "schema")
    )
    fields = [{line.split(":")[0].strip() for line in part.splitlines()} for part in (options, schema)]
    assert fields[0] == fields[1], "every option has a schema"


def test_the_add_on_runs_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import runpy

    module = runpy.run_path(str(ADD_ON / "run.py"), run_name="add_on")
    command = module["command"]
    command.__globals__.update(DATA=tmp_path, CONFIGURATION=tmp_path)
    (tmp_path / "options.json").write_text(json.dumps({"config": "mine.toml"}))
    serve = ["layerwatch", "serve", "--host", "0.0.0.0", "--data-dir", str(tmp_path)]
    assert command() == serve
    (tmp_path / "mine.toml").touch()
    assert command() == [*serve, "--watch", str(tmp_path / "mine.toml")]
