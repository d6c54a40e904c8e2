"""The ledger while servers are killed, in short; `python -m tests.billing.ledger` is the long form."""

import pytest

from tests.billing.ledger import Plan, run


@pytest.mark.timeout(900)
def test_answers_revisions_and_bills_agree_while_servers_are_killed(database_url, tmp_path):
    seed = 20_261_122
    report = run(Plan(calls=160, clients=8, kills=2, seed=seed), database_url, tmp_path)
    assert report.answered == 160 and report.kills == 2
    assert report.exact, f"seed {seed}: {report}"
