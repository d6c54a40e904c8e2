"""`layerwatch users`: who signs in to the console, and the way back in for who lost their phone."""

from __future__ import annotations

from typing import Annotated

import typer

from layerwatch.cli.common import AsJson, ConfigFile, DataDir, fail, moment, office, say, show, table
from layerwatch.identity import NotFound
from layerwatch.identity.audit import ON_THE_COMMAND_LINE
from layerwatch.identity.users import find_user, list_users, reset_codes
from layerwatch.notify.mail import MailError, mailer_for

app = typer.Typer(no_args_is_help=True, help="List the console's users, and switch off lost one-time codes.")


@app.command("list")
def list_(
    search: Annotated[str, typer.Option(help="Part of the e-mail address.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")] = 200,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List users by e-mail address."""
    with office(data_dir, config) as desk, desk.database.read() as session:
        rows = [
            {
                "id": user.id,
                "email": user.email,
                "verified": user.verified_at is not None,
                "operator": user.operator,
                "one_time_codes": user.totp_since is not None,
                "created_at": moment(user.created_at),
            }
            for user in list_users(session, search, limit)
        ]
    show(rows) if as_json else table("Users", rows)


@app.command("reset-codes")
def reset_codes_(
    email: Annotated[str, typer.Argument(help="The user's e-mail address.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Switch a user's one-time codes off: phone and recovery codes are lost. A mail says so to them.

    Make sure first that it is them who ask. The password stays; every browser is signed out.
    """
    if not yes and not as_json:
        typer.confirm("Did you make sure that this user asks for it?", abort=True)
    with office(data_dir, config) as desk:
        try:
            mailer = mailer_for(desk.settings.mail_server.get_secret_value(), desk.settings.mail_from)
        except ValueError as wrong:
            fail(str(wrong))
        with desk.database.write() as session:
            user = find_user(session, email)
            if user is None:
                raise NotFound(f"No user {email!r}.")
            mail = reset_codes(session, user.id, ON_THE_COMMAND_LINE, desk.now)
        try:
            mailer.send(mail)
        except MailError as wrong:
            say(f"The mail to the user was not sent: {wrong}", err=True)
        show({"email": mail.to, "one_time_codes": False}) if as_json else say(
            f"The one-time codes of {mail.to} are off."
        )
