"""`layerwatch users`: who signs in to the console, and the way back in for who lost their phone."""

from __future__ import annotations

from typing import Annotated

import typer

from layerwatch.cli.installation import Installation, moment, on_installation
from layerwatch.cli.options import Yes, command_group
from layerwatch.cli.output import say, show, table
from layerwatch.core.errors import UserError
from layerwatch.identity import NotFound
from layerwatch.identity.audit import ON_THE_COMMAND_LINE
from layerwatch.identity.users import find_user, list_users, reset_codes
from layerwatch.notify.mail import MailError, mailer_for

app = command_group("List the console's users, and disable lost one-time codes.")


@app.command("list")
@on_installation
def list_(
    here: Installation,
    search: Annotated[str, typer.Option(help="Part of the e-mail address.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")] = 200,
) -> None:
    """List users by e-mail address."""
    with here.database.read() as session:
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
    show(rows) if here.as_json else table("Users", rows)


@app.command("reset-codes")
@on_installation
def reset_codes_(
    here: Installation,
    email: Annotated[str, typer.Argument(help="The user's e-mail address.")],
    yes: Yes = False,
) -> None:
    """Disable a user's one-time codes when phone and recovery codes are lost. The user is notified by mail.

    First make sure that the request really comes from the user. The password stays; every browser is signed
    out.
    """
    here.confirm("Did you verify that this user requested it?", yes=yes)
    try:
        mailer = mailer_for(here.settings.mail_server.get_secret_value(), here.settings.mail_from)
    except ValueError as wrong:
        raise UserError(str(wrong)) from wrong
    with here.database.write() as session:
        user = find_user(session, email)
        if user is None:
            raise NotFound(f"No user {email!r}.")
        mail = reset_codes(session, user.id, ON_THE_COMMAND_LINE, here.now)
    try:
        mailer.send(mail)
    except MailError as wrong:
        say(f"The mail to the user was not sent: {wrong}", err=True)
    show({"email": mail.to, "one_time_codes": False}) if here.as_json else say(
        f"One-time codes of {mail.to} are disabled."
    )
