"""A certificate such as printers make for themselves."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme


@dataclass
class Tls:
    """A server's TLS and its certificate as a PEM file."""

    server: ssl.SSLContext
    pem: Path


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    made = trustme.CA().issue_cert("printer.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.configure_cert(context)
    pem = tmp_path_factory.mktemp("tls") / "printer.pem"
    made.cert_chain_pems[0].write_to_path(str(pem))
    return Tls(context, pem)
