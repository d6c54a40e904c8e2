"""`layerwatch keys`: make, list and disable API keys."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from layerwatch.billing.usage_repository import last_used
from layerwatch.cli.installation import Installation, WhichAccount, account_of, moment, on_installation
from layerwatch.cli.options import Yes, command_group
from layerwatch.cli.output import say, show, table
from layerwatch.identity.audit import ON_THE_COMMAND_LINE, record
from layerwatch.keys import create_key, disable_key, find_key, list_keys
from layerwatch.keys.models import ApiKey

app = command_group(
    "Make, list and disable API keys. A client sends its key in the header X-API-Key. "
    "A key is shown once, when it is made; only its keyed hash is kept."
)


@app.command()
@on_installation
def create(
    here: Installation,
    name: Annotated[str, typer.Option("--name", "-n", help="Its purpose, for example 'garage printer'.")],
    test: Annotated[
        bool, typer.Option("--test", help="A test key: never billed; an account has 500 such calls a day.")
    ] = False,
    dialect: Annotated[
        int, typer.Option(min=1, max=2, help="NextProcessIntervalSec as a number (1) or an object (2).")
    ] = 1,
    allow_from: Annotated[
        list[str] | None,
        typer.Option(
            help="IP address or network from which it may be used. Repeat for several. Default: from "
            "anywhere."
        ),
    ] = None,
    account: WhichAccount = None,
) -> None:
    """Make a key and print it. This is the only time it is shown.

    Example: layerwatch keys create --name "garage printer"
    """
    with here.database.write() as session:
        owner = account_of(session, account, here.now)
        new = create_key(
            session,
            owner.id,
            name=name,
            pepper=here.settings.secrets().api_keys,
            now=here.now,
            test=test,
            dialect=dialect,
            addresses=allow_from or (),
        )
        row = as_row(new.row)
        record(session, ON_THE_COMMAND_LINE, "key created", _key_label(new.row), here.now, owner.id)
    if here.as_json:
        show({"key": new.text} | row)
    else:
        say(new.text)
        say(f"Key {row['id']} of account {owner.name!r}. Keep it now: it is not shown again.", err=True)


@app.command("list")
@on_installation
def list_(
    here: Installation,
    account: WhichAccount = None,
) -> None:
    """List an account's keys, the disabled ones too, with when each was last used."""
    with here.database.write() as session:
        owner = account_of(session, account, here.now)
        used = last_used(session, owner.id)
        rows = [as_row(key) | {"last_used": moment(used.get(key.id))} for key in list_keys(session, owner.id)]
        if here.as_json:
            show(rows)
        else:
            table(f"Keys of {owner.name!r}", [_in_short(row) for row in rows])


@app.command()
@on_installation
def disable(
    here: Installation,
    which: Annotated[str, typer.Argument(help="The key's number, whole name, or last four characters.")],
    account: WhichAccount = None,
    yes: Yes = False,
) -> None:
    """Disable a key permanently. It stops working everywhere within 5 seconds."""
    with here.database.write() as session:
        owner = account_of(session, account, here.now)
        key = find_key(session, owner.id, which)
        row = as_row(key)
    here.confirm(f"Disable key {key.id} ({key.name!r}, {row['shown']}) permanently?", yes=yes)
    with here.database.write() as session:
        row = as_row(disable_key(session, owner.id, key.id, here.now))
        record(session, ON_THE_COMMAND_LINE, "key disabled", _key_label(key), here.now, owner.id)
    if here.as_json:
        show(row)
    else:
        say(f"Key {row['id']} is disabled.")


def _key_label(key: ApiKey) -> str:
    return f"{key.id} {key.name} {key.prefix}…"


def as_row(key: ApiKey) -> dict[str, Any]:
    """A key as it is printed: never its text."""
    return {
        "id": key.id,
        "name": key.name,
        "shown": f"{key.prefix}…{key.last_four}",
        "test": key.test,
        "dialect": key.dialect,
        "allow_from": key.addresses.split(),
        "created_at": moment(key.created_at),
        "disabled_at": moment(key.disabled_at),
    }


def _in_short(row: dict[str, Any]) -> dict[str, Any]:
    kind = "test" if row["test"] else "production"
    return {
        "id": row["id"],
        "name": row["name"],
        "key": row["shown"],
        "kind": kind if row["dialect"] == 1 else f"{kind}, dialect {row['dialect']}",
        "state": f"disabled {row['disabled_at'][:10]}" if row["disabled_at"] else "in use",
        "last_used": (row["last_used"] or "never")[:16].replace("T", " "),
    }
