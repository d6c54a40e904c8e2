"""The whole contract with nothing but `requests`: a pattern for clients in other languages.

    export LAYERWATCH_API_KEY=prod_…  LAYERWATCH_URL=http://127.0.0.1:8080
    python requests_plain.py http://192.168.1.20/webcam/?action=snapshot

Ends with Ctrl-C, when the key is refused, or after --pictures answers.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import uuid
from typing import Any, Dict, Optional

import requests

URL = os.environ.get("LAYERWATCH_URL", "http://127.0.0.1:8080").rstrip("/")
KEY = {"X-API-Key": os.environ.get("LAYERWATCH_API_KEY", "")}
CONTEXT_LOST = (500, "OE_INTERNAL_ERROR", "Failed to get context object.")
KEY_REFUSED = {(401, "OE_INVALID_API_KEY"), (403, "OE_API_KEY_DISABLED")}


def answer(response: requests.Response) -> Dict[str, Any]:
    """The JSON object, or {} where a proxy answered with something else."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def seconds_to_wait(body: Dict[str, Any]) -> int:
    """NextProcessIntervalSec in either dialect."""
    interval = body["NextProcessIntervalSec"]
    return int(interval["Recommended"] if isinstance(interval, dict) else interval)


def retry_after(response: requests.Response) -> float:
    """Seconds that the service asked to wait; 5 where it did not."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else 5.0


def open_context() -> Dict[str, Any]:
    """A new print's context."""
    while True:
        try:
            response = requests.post(f"{URL}/api/gadget/v1/createcontext", headers=KEY, json={}, timeout=30)
        except requests.RequestException as error:
            print(f"not reached: {type(error).__name__}", file=sys.stderr)
            time.sleep(5)
            continue
        body = answer(response)
        if response.status_code == 200 and "ContextId" in body:
            return body
        refused(response, body)
        time.sleep(retry_after(response))


def refused(response: requests.Response, body: Dict[str, Any]) -> None:
    """Say why; end the program where no later call can do better."""
    print(f"{response.status_code} {body.get('ErrorType')}: {body.get('ErrorDetails')}", file=sys.stderr)
    # A 401 or 403 without the service's own words is a proxy's, and says nothing of the key.
    if (response.status_code, body.get("ErrorType")) in KEY_REFUSED:
        sys.exit(1)


def inspect(context: Dict[str, Any], jpeg: bytes) -> Optional[Dict[str, Any]]:
    """Have one picture judged; None means: open a new context.

    All tries of one picture carry one Idempotency-Key, so that it is billed once whatever is lost on the way.
    """
    headers = {**KEY, "Idempotency-Key": str(uuid.uuid4())}
    while True:
        pause, change = 5.0, True
        try:
            response = requests.post(
                context["ProcessRequestUrl"],
                headers=headers,
                files={"image": ("frame.jpg", jpeg, "image/jpeg")},
                timeout=(5, 60),
            )
        except requests.RequestException as error:
            print(f"not reached: {type(error).__name__}", file=sys.stderr)
        else:
            body = answer(response)
            if response.status_code == 200 and "NextProcessIntervalSec" in body:
                return body
            if (response.status_code, body.get("ErrorType"), body.get("ErrorDetails")) == CONTEXT_LOST:
                return None
            refused(response, body)
            pause = retry_after(response)
            # The other URL may help against the service's failures, never against a refusal.
            change = "ErrorType" not in body or response.status_code >= 500
            if response.status_code in (400, 413):
                time.sleep(pause)
                return {"NextProcessIntervalSec": 0}  # this picture will not do: take another
        if change:
            primary, fallback = context["ProcessRequestUrl"], context["FallbackProcessRequestUrl"]
            context["ProcessRequestUrl"], context["FallbackProcessRequestUrl"] = fallback, primary
        time.sleep(pause)


def main() -> None:
    parser = argparse.ArgumentParser(description="Watch one print with nothing but requests.")
    parser.add_argument("snapshot_url")
    parser.add_argument("--pictures", type=int, default=0, help="stop after so many answers (0: never)")
    arguments = parser.parse_args()
    context, answers = open_context(), 0
    while True:
        try:
            jpeg = requests.get(arguments.snapshot_url, timeout=10).content
        except requests.RequestException as error:
            print(f"camera: {type(error).__name__}", file=sys.stderr)
            time.sleep(5)
            continue
        body = inspect(context, jpeg)
        if body is None:
            context = open_context()
            continue
        due = time.monotonic() + seconds_to_wait(body)  # from the moment the answer came
        if "PrintQuality" in body:
            answers += 1
            print(f"quality {body['PrintQuality']}/10, pause: {body['PauseSuggested']}", flush=True)
        if answers == arguments.pictures:
            return
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
