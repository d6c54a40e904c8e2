"""TLS for devices that sign their own certificate, as cameras, printers and home servers do."""

from __future__ import annotations

import ssl
from typing import Optional


def private_tls(certificate: Optional[str] = None) -> ssl.SSLContext:
    """A client context for one device of the user's.

    certificate: a PEM file with the device's certificate (or that of the authority that signed it): then no
    other is accepted, and the device's name does not matter. None: any certificate is accepted, so a login
    goes to whatever answers at that address: only for a network of one's own.
    Raises ValueError if the file cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if certificate is None:
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        context.load_verify_locations(cafile=certificate)
    except (OSError, ssl.SSLError):
        raise ValueError(f"{certificate} is not a certificate in PEM form") from None
    # The device's own certificate is the trust anchor; who signed it does not matter.
    context.verify_flags |= getattr(ssl, "VERIFY_X509_PARTIAL_CHAIN", ssl.VerifyFlags(0x80000))
    return context
