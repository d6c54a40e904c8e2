"""Layerwatch as an OctoPrint plugin: an inspection session for each print, and a pause when it fails."""

from __future__ import annotations

from typing import Any

import octoprint.plugin
from octoprint.events import Events
from octoprint.webcams import get_snapshot_webcam

from layerwatch_sdk import Client, Inspection, InspectionSession, LayerwatchError
from layerwatch_sdk.alarm import Alarm, AlarmLatch

__plugin_name__ = "Layerwatch"
__plugin_pythoncompat__ = ">=3.9,<4"

TAG = "layerwatch"


class LayerwatchPlugin(
    octoprint.plugin.SettingsPlugin,
    octoprint.plugin.TemplatePlugin,
    octoprint.plugin.EventHandlerPlugin,
    octoprint.plugin.ShutdownPlugin,
):
    """Watches the print that OctoPrint runs."""

    def __init__(self) -> None:
        super().__init__()
        self._client: Client | None = None
        self._session: InspectionSession | None = None
        self._latch = AlarmLatch()
        self._paused_by_us = False

    def get_settings_defaults(self) -> dict[str, Any]:
        return {
            "server": "http://127.0.0.1:8080",
            "key": "",
            "pause": True,
            "warning_level": 3,
            "pause_level": 3,
        }

    def get_settings_restricted_paths(self) -> dict[str, Any]:
        return {"admin": [["key"]]}

    def get_template_configs(self) -> list[dict[str, Any]]:
        return [{"type": "settings", "custom_bindings": False}]

    def is_template_autoescaped(self) -> bool:
        return True

    def on_event(self, event: str, payload: dict[str, Any]) -> None:
        if event == Events.PRINT_STARTED:
            self._begin()
        elif event == Events.PRINT_PAUSED and self._session is not None:
            self._session.pause()
        elif event == Events.PRINT_RESUMED and self._session is not None:
            # The user has looked and goes on: the same thing is not to pause the print again.
            self._session.resume(tell=self._paused_by_us)
            if self._paused_by_us:
                self._latch.quiet()
            self._paused_by_us = False
        elif event in (Events.PRINT_DONE, Events.PRINT_FAILED, Events.PRINT_CANCELLED):
            self._end()

    def on_shutdown(self) -> None:
        self._end()

    def _begin(self) -> None:
        self._end()
        key = self._settings.get(["key"])
        if not key:
            self._logger.info("no key is set; the print is not watched")
            return
        try:
            self._client = Client(key, self._settings.get(["server"]))
        except ValueError as error:
            self._logger.error("the print is not watched: %s", error)
            return
        self._session = InspectionSession(
            self._client,
            self._picture,
            self._judged,
            self._failed,
            warning_level=int(self._settings.get_int(["warning_level"])),
            pause_level=int(self._settings.get_int(["pause_level"])),
        )
        self._session.start()

    def _end(self) -> None:
        session, self._session = self._session, None
        client, self._client = self._client, None
        self._latch = AlarmLatch()
        self._paused_by_us = False
        if session is not None:
            session.stop()
        if client is not None:
            client.close()

    def _picture(self) -> bytes | None:
        webcam = get_snapshot_webcam()
        if webcam is None or not webcam.config.canSnapshot:
            raise RuntimeError("OctoPrint has no webcam that can take snapshots")
        return b"".join(webcam.providerPlugin.take_webcam_snapshot(webcam.config.name))

    def _judged(self, inspection: Inspection) -> None:
        alarm = self._latch.alarm(inspection, usable=inspection.condition in (None, "ok"))
        if alarm is Alarm.PAUSE and self._settings.get_boolean(["pause"]) and self._printer.is_printing():
            self._paused_by_us = True
            self._logger.warning("pausing: score %d of 100", inspection.score)
            self._printer.pause_print(tags={TAG})
        self._plugin_manager.send_plugin_message(
            self._identifier,
            {
                "quality": inspection.print_quality,
                "score": inspection.score,
                "warning": inspection.warning_suggested,
                "pause": inspection.pause_suggested,
            },
        )

    def _failed(self, error: LayerwatchError) -> None:
        self._logger.warning("no inspection: %s", error)


__plugin_implementation__ = LayerwatchPlugin()
