"""Each call of the API in curl, Python and TypeScript, for the reference. They need no library but httpx."""

from __future__ import annotations

LANGUAGES = {"curl": "curl", "python": "Python", "typescript": "TypeScript"}

_SAMPLES = {
    "createcontext": {
        "curl": """\
curl -X POST {base}/api/gadget/v1/createcontext \\
  -H "X-API-Key: $LAYERWATCH_API_KEY" -H "Content-Type: application/json" \\
  -d '{"WarningConfidenceLevel": 3, "PauseConfidenceLevel": 3, "Name": "Gearbox"}'""",
        "python": """\
import httpx

client = httpx.Client(base_url="{base}", headers={"X-API-Key": api_key})
created = client.post(
    "/api/gadget/v1/createcontext",
    json={"WarningConfidenceLevel": 3, "PauseConfidenceLevel": 3, "Name": "Gearbox"},
)
created.raise_for_status()
process_url = created.json()["ProcessRequestUrl"]""",
        "typescript": """\
const headers = { "X-API-Key": apiKey };
const created = await fetch("{base}/api/gadget/v1/createcontext", {
  method: "POST",
  headers: { ...headers, "Content-Type": "application/json" },
  body: JSON.stringify({ WarningConfidenceLevel: 3, PauseConfidenceLevel: 3, Name: "Gearbox" }),
});
const { ContextId, ProcessRequestUrl } = await created.json();""",
    },
    "process": {
        "curl": """\
curl "$PROCESS_REQUEST_URL?detail=1" \\
  -H "X-API-Key: $LAYERWATCH_API_KEY" -H "X-API-Version: 2" \\
  -H "Idempotency-Key: $(uuidgen)" -F image=@frame.jpg""",
        "python": """\
import uuid
from pathlib import Path

answer = client.post(
    process_url,
    params={"detail": "1"},
    headers={"X-API-Version": "2", "Idempotency-Key": str(uuid.uuid4())},
    files={"image": Path("frame.jpg").read_bytes()},
)
answer.raise_for_status()
print(answer.json()["PrintQuality"], answer.json()["PauseSuggested"])""",
        "typescript": """\
const body = new FormData();
body.set("image", new Blob([await readFile("frame.jpg")]), "frame.jpg");
const answer = await fetch(`${ProcessRequestUrl}?detail=1`, {
  method: "POST",
  headers: { ...headers, "X-API-Version": "2", "Idempotency-Key": crypto.randomUUID() },
  body,
});
const { PrintQuality, PauseSuggested, NextProcessIntervalSec } = await answer.json();""",
    },
    "feedback": {
        "curl": """\
curl -X POST {base}/api/gadget/v1/feedback/$CONTEXT_ID \\
  -H "X-API-Key: $LAYERWATCH_API_KEY" -H "Content-Type: application/json" \\
  -d '{"Kind": "false_alarm"}'""",
        "python": """\
client.post(f"/api/gadget/v1/feedback/{context_id}", json={"Kind": "false_alarm"}).raise_for_status()""",
        "typescript": """\
await fetch(`{base}/api/gadget/v1/feedback/${ContextId}`, {
  method: "POST",
  headers: { ...headers, "Content-Type": "application/json" },
  body: JSON.stringify({ Kind: "false_alarm" }),
});""",
    },
    "usage": {
        "curl": """\
curl {base}/api/gadget/v1/usage -H "X-API-Key: $LAYERWATCH_API_KEY\"""",
        "python": """\
usage = client.get("/api/gadget/v1/usage").raise_for_status().json()""",
        "typescript": """\
const usage = await (await fetch("{base}/api/gadget/v1/usage", { headers })).json();""",
    },
}


def samples(operation_id: str, base: str) -> dict[str, str]:
    """The call by language, with this address; empty for a call without samples."""
    return {
        language: text.replace("{base}", base) for language, text in _SAMPLES.get(operation_id, {}).items()
    }
