"""What Home Assistant reads of a printer by MQTT discovery: its device and entities."""

from __future__ import annotations

from typing import Any

FEEDBACK_BUTTONS = {
    "false_alarm": ("False alarm", "mdi:thumb-up"),
    "correct_alarm": ("Alarm is right", "mdi:alert"),
    "missed_failure": ("Missed failure", "mdi:eye-off"),
    "good": ("Print is fine", "mdi:check"),
}
"""Title and icon of the button of each of `verdicts.VERDICTS`."""


def discovery(name: str, slug: str, prefix: str, base: str) -> dict[str, dict[str, Any]]:
    """The discovery topics of one printer and their payloads."""
    device = {
        "identifiers": [f"layerwatch_{slug}"],
        "name": name,
        "manufacturer": "Layerwatch",
        "model": "Watcher",
    }
    inspection = f"{base}/{slug}/inspection"
    up, seen = {"topic": f"{base}/status"}, {"topic": f"{base}/{slug}/seen"}
    where_seen: dict[str, Any] = {"availability": [up, seen], "availability_mode": "all"}

    def entity(kind: str, what: str, title: str, **more: Any) -> tuple[str, dict[str, Any]]:
        payload = {
            "name": title,
            "unique_id": f"layerwatch_{slug}_{what}",
            "default_entity_id": f"{kind}.{slug}_{what}",
            "device": device,
            "availability": [up],
            **more,
        }
        return f"{prefix}/{kind}/layerwatch_{slug}/{what}/config", payload

    def read(what: str) -> dict[str, Any]:
        return {
            "state_topic": inspection,
            "value_template": f"{{{{ value_json.{what} }}}}",
            **(where_seen if what != "condition" else {}),
        }

    return dict(
        [
            entity(
                "sensor",
                "quality",
                "Print quality",
                state_class="measurement",
                icon="mdi:star",
                **read("quality"),
            ),
            entity(
                "sensor",
                "score",
                "Failure score",
                state_class="measurement",
                icon="mdi:gauge",
                **read("score"),
            ),
            entity("sensor", "failure", "Likely failure", icon="mdi:alert-octagon", **read("failure")),
            entity("sensor", "condition", "Picture", icon="mdi:image-check", **read("condition")),
            entity(
                "sensor", "printer", "Printer", state_topic=f"{base}/{slug}/printer", icon="mdi:printer-3d"
            ),
            entity("binary_sensor", "warning", "Warning", device_class="problem", **read("warning")),
            entity("binary_sensor", "pause", "Pause suggested", device_class="problem", **read("pause")),
            entity(
                "camera",
                "picture",
                "Last picture",
                topic=f"{base}/{slug}/picture",
                **where_seen,
            ),
            entity(
                "switch",
                "watching",
                "Watching",
                state_topic=f"{base}/{slug}/watching",
                command_topic=f"{base}/{slug}/watching/set",
                icon="mdi:eye",
            ),
            *(
                entity("button", verdict, name, command_topic=f"{base}/{slug}/{verdict}", icon=icon)
                for verdict, (name, icon) in FEEDBACK_BUTTONS.items()
            ),
        ]
    )
