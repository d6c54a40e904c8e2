"""`layerwatch watch`: look at a print through a camera, and say how it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layerwatch.cli.watch_source import watch_source
from layerwatch_watcher.watching.policy import BeforePrint
from layerwatch_watcher.watching.print_session import Levels


def command(
    source: Annotated[
        str | None,
        typer.Argument(
            help="A camera's address (JPEG snapshot, MJPEG stream, rtsp://…), /dev/video0, a folder of "
            "JPEGs in name order, or a video file.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file with printers, cameras and actions; see docs/watch.md.", dir_okay=False),
    ] = None,
    printer: Annotated[
        str,
        typer.Option(
            envvar="LAYERWATCH_PRINTER",
            help="Follow and pause this printer: octoprint://KEY@HOST, moonraker://HOST, "
            "prusalink://USER:PASSWORD@HOST, bambu://CODE@HOST/SERIAL, duet://HOST. "
            "SOURCE is its camera; left out, the printer's own is used.",
            show_default=False,
            show_envvar=True,
        ),
    ] = "",
    before_print: Annotated[
        BeforePrint,
        typer.Option(
            help="With --printer and --server: check before each print that the bed is clear, and warn or "
            "hold the print if it is not."
        ),
    ] = BeforePrint.OFF,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Report actions without carrying them out.")
    ] = False,
    server: Annotated[
        str,
        typer.Option(
            envvar=["LAYERWATCH_SERVER", "LAYERWATCH_URL"],
            help="Your server, for example http://127.0.0.1:8080. Default: the detector runs in this "
            "process.",
        ),
    ] = "",
    key: Annotated[
        str,
        typer.Option(
            envvar=["LAYERWATCH_KEY", "LAYERWATCH_API_KEY"],
            help="The server's API key. Better set in the environment: other users see a command's options.",
            show_default=False,
            show_envvar=True,
        ),
    ] = "",
    interval: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Minimum seconds between two pictures; for a recording, the seconds that each "
            "picture represents (30).",
        ),
    ] = None,
    warning_level: Annotated[
        int, typer.Option(min=1, max=5, help="1 warns sooner, 5 only when more certain.")
    ] = 3,
    pause_level: Annotated[
        int, typer.Option(min=1, max=5, help="1 pauses sooner, 5 only when more certain.")
    ] = 3,
    notify: Annotated[
        list[str] | None,
        typer.Option(
            help="Send messages to this Apprise address, for example ntfy://TOPIC, tgram://TOKEN/CHAT or "
            "mailto://USER:PASSWORD@HOST. May be given several times.",
            show_default=False,
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            help="Pictures to take for each second of a video. A time-lapse wants 2 or more. "
            "Left out: one each --interval.",
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            help="Certificate (PEM) of a camera with a self-signed certificate; no other is accepted then.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    no_verify: Annotated[
        bool,
        typer.Option("--no-verify", help="Accept any certificate of the camera: only in your own network."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each inspection.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="One inspection, then stop.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Test everything once and report problems.")] = False,
    test: Annotated[
        bool, typer.Option("--test", help="Send a test event through every channel of --config or --notify.")
    ] = False,
    empty_bed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="The bed of this printer of --config or --printer is empty now: have the server remember "
            "how it looks. May be given several times.",
            show_default=False,
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Folder for state that survives a restart in mid-print, with --config or --printer "
            "(~/.local/state/layerwatch/prints).",
            file_okay=False,
            show_default=False,
        ),
    ] = None,
    end_with_input: Annotated[
        bool, typer.Option("--end-with-input", help="Exit when standard input is closed.", hidden=True)
    ] = False,
) -> None:
    """Watch a print through a camera: quality, score, warning and pause, live in the terminal.

    Without --server nothing else is needed: the detector runs in this command.

      layerwatch watch http://octopi.local/webcam/?action=snapshot

      layerwatch watch print.mp4 --fps 2

      layerwatch watch frames/ --json | jq .score

    With --server the pictures go to your server, every 20-40 s as it asks, one billed inspection each.

    With --notify you get a message when the print fails: a camera is enough.

      layerwatch watch http://CAMERA/snapshot --notify ntfy://MY-TOPIC

    With --printer it follows the print's life and pauses the printer when the print fails.

    With --config it does so for many printers, and tells you by webhook, messenger or Home Assistant.

      layerwatch watch --printer moonraker://voron.local --dry-run
    """
    if config is not None or printer or (notify and source is not None):
        from layerwatch.cli.watch_printers import watch_farm

        levels = Levels(warning_level, pause_level)
        code = watch_farm(
            config,
            printer,
            source,
            server,
            key,
            levels,
            interval,
            dry_run,
            before_print=before_print,
            empty_bed=empty_bed or (),
            check=check,
            test=test,
            as_json=as_json,
            certificate=certificate,
            no_verify=no_verify,
            notify=notify or (),
            state=state,
            end_with_input=end_with_input,
        )
        if code:
            raise typer.Exit(code)
        return
    if source is None:
        raise typer.BadParameter(
            "no source: give a camera, a folder or a video, or use --printer or --config"
        )
    if test or dry_run:
        raise typer.BadParameter("--test and --dry-run go with --config, --printer or --notify")
    if empty_bed or before_print is not BeforePrint.OFF:
        raise typer.BadParameter("--empty-bed and --before-print need a printer: --printer, or --config")
    code = watch_source(
        source,
        server,
        key,
        Levels(warning_level, pause_level),
        interval=interval,
        fps=fps,
        certificate=certificate,
        no_verify=no_verify,
        as_json=as_json,
        once=once,
        check=check,
    )
    if code:
        raise typer.Exit(code)
