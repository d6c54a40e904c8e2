"""The operator's page of models."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerwatch.drift import DriftCounts
from layerwatch.drift.repository import Key, add, day_of
from layerwatch.learning.rollout import ModelRegistry
from layerwatch.learning.rollout.model_store import ModelStore
from tests.support.fake_detector import picture


@pytest.fixture
def registry(office, tmp_path: Path) -> ModelRegistry:
    services = office.server.services
    return ModelRegistry(services.database, ModelStore(services.objects, tmp_path / "models"))


@pytest.fixture
def model(office, registry: ModelRegistry, tmp_path: Path) -> str:
    file = tmp_path / "candidate.onnx"
    file.write_bytes(b"a model")
    now = office.server.clock.now()
    return registry.add(file, version="7", note="<b>ours</b>", at=now, by="a test").sha256


def test_a_model_is_tried_promoted_and_taken_back(office, registry, model, monkeypatch):
    monkeypatch.setattr(type(office.server.services.vision), "can_change", property(lambda _: True))
    browser = office.operator()
    page = browser.get("/models").text
    assert model[:12] in page
    assert "&lt;b&gt;ours" in page
    assert browser.post(f"/models/{model}", "/models", step="canary", share="25 %").status_code == 303
    assert "canary 25%" in browser.get("/models").text
    assert browser.post(f"/models/{model}", "/models", step="promote").status_code == 303
    assert browser.post("/models/rollback", "/models").status_code == 303
    page = browser.get("/models").text
    assert "rolled back: by hand" in page
    assert [step.stage for step in registry.steps()] == ["canary", "full"]


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"step": "canary", "share": "much"}, "number of percent"),
        ({"step": "shadow", "share": "0"}, "share is"),
    ],
)
def test_a_wrong_share_is_said(office, model, monkeypatch, form, problem):
    monkeypatch.setattr(type(office.server.services.vision), "can_change", property(lambda _: True))
    answer = office.operator().post(f"/models/{model}", "/models", **form)
    assert answer.status_code == 400
    assert problem in answer.text


def test_no_one_else_sees_it(office):
    office.user("member@example.com", office.account("Acme"))
    browser = office.signed_in("member@example.com")
    assert browser.get("/models").status_code in (303, 403, 404)


def test_the_page_shows_what_has_drifted(office):
    services, day = office.server.services, day_of(office.server.clock.now())
    everything, printer = Key("model-9", "grey-640"), Key("model-9", "grey-640", 7, "<Mk4>")
    for when, probability in ((day - 5, 0.03), (day, 0.8)):
        counts = DriftCounts()
        for _ in range(250):
            counts.add(probability, "ok", alarm=probability > 0.5)
        with services.database.write() as session:
            add(session, when, {everything: counts, printer: counts})
    page = office.operator().get("/models").text
    assert "&lt;Mk4&gt;" in page
    assert page.count('<span class="tag bad">large</span>') == 2
    assert page.count('<td class="num">100.0 %</td>') == 2


def test_a_picture_over_the_api_is_counted(office):
    server = office.server
    key = server.new_key()
    server.process(key, server.new_context(key), picture(0.1))
    text = server.http.get("/metrics").text
    assert 'layerwatch_alarms_total{camera="' in text
    assert 'condition="ok",model="fake"' in text
