"""Receivers of webhooks tell a delivery from a forged or a replayed one."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from layerwatch_sdk.webhook_signature import SignatureError, sign, verify


def test_a_signed_delivery_verifies() -> None:
    verify("secret", b"{}", sign("secret", b"{}", 1000), now=1010)


def test_a_secret_may_be_bytes() -> None:
    assert sign(b"secret", b"{}", 1000) == sign("secret", b"{}", 1000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body, header: (body + b" ", header, 1000), "does not match"),
        (lambda body, header: (body, header.replace("t=1000", "t=1001"), 1000), "does not match"),
        (lambda body, header: (body, header, 2000), "too old"),
        (lambda body, header: (body, "nonsense", 1000), "not of the form"),
        (lambda body, header: (body, "t=1000,v1=\u00e9", 1000), "does not match"),
    ],
)
def test_forged_and_replayed_deliveries_are_rejected(change: Callable[..., Any], message: str) -> None:
    body, header, now = change(b"{}", sign("secret", b"{}", 1000))
    with pytest.raises(SignatureError, match=message):
        verify("secret", body, header, now)


def test_another_secret_does_not_verify() -> None:
    with pytest.raises(SignatureError):
        verify("other", b"{}", sign("secret", b"{}", 1000), 1000)
