"""Memberships that an unverified user was given by an invitation end with the upgrade to 0014."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from sqlalchemy import text

from layerwatch.storage import Database
from layerwatch.storage.migrate import configuration

USERS = {1: "owner@acme.example", 2: "stranger@example.org", 3: "new@example.org", 4: "member@acme.example"}
VERIFIED = {1, 4}


def test_who_never_verified_loses_what_an_invitation_gave(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'old.sqlite3'}")
    with database.engine.begin() as connection:
        command.upgrade(configuration(connection), "0013")
        for number in (1, 2):
            connection.execute(
                text(
                    "INSERT INTO accounts (id, name, price_book, free_only, payment_ready, created_at)"
                    f" VALUES ({number}, 'account {number}', 'standard', true, false, 0)"
                )
            )
        for number, email in USERS.items():
            connection.execute(
                text(
                    "INSERT INTO users (id, email, verified_at, operator, totp_step, created_at)"
                    " VALUES (:id, :email, :verified, false, 0, 0)"
                ),
                {"id": number, "email": email, "verified": 1 if number in VERIFIED else None},
            )
        for user, account, role in [(1, 1, "owner"), (2, 1, "owner"), (4, 1, "member"), (3, 2, "owner")]:
            connection.execute(text(f"INSERT INTO memberships VALUES ({user}, {account}, '{role}')"))
            connection.execute(
                text(
                    "INSERT INTO web_sessions VALUES (:digest, :user, :account, true, '', '', 0, 0)",
                ),
                {"digest": bytes([user]) * 32, "user": user, "account": account},
            )
    database.migrate()
    with database.engine.connect() as connection:
        members = connection.execute(text("SELECT account_id, user_id FROM memberships")).all()
        sessions = connection.execute(text("SELECT user_id FROM web_sessions")).scalars().all()
    database.close()
    assert sorted(map(tuple, members)) == [(1, 1), (1, 4), (2, 3)], "a new account keeps its only owner"
    assert sorted(sessions) == [1, 4]
