"""Who judges the pictures: a Layerwatch server, through `AsyncClient`, or anything of the same shape."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Optional
from urllib.parse import urlsplit

from layerwatch_sdk.errors import (
    ApiKeyDisabled,
    ApiKeyIpRestricted,
    BackendThrottled,
    ContextRateLimited,
    ForeignRefusal,
    FreeUsageLimitReached,
    ImageDecodeFailed,
    InvalidApiKey,
    InvalidResponse,
    LayerwatchError,
    NoAnswer,
    PaymentFailed,
    ServerError,
)
from layerwatch_sdk.inspector import Inspector
from layerwatch_sdk.models import BedCheck, Context, Inspection, PrintLabels, PrintPosition

if TYPE_CHECKING:
    from layerwatch_sdk.async_client import AsyncClient

__all__ = ["Inspector", "MinimumIntervalInspector", "explain", "origin_of"]


class MinimumIntervalInspector:
    """An inspector whose pictures are taken as soon as it allows, not as seldom as it recommends.

    The service's newer dialect names both: the soonest that its load allows (`Minimum`, 20 s at rest) and
    the interval that costs no more than it helps (40 s). On a server of one's own, a failure is then seen
    up to 20 s earlier, for about twice the work.
    """

    def __init__(self, inspector: AsyncClient) -> None:
        self._inspector = inspector
        self.clock = inspector.clock

    async def create_context(
        self, warning_level: int = 3, pause_level: int = 3, *, labels: Optional[PrintLabels] = None
    ) -> Context:
        """As the inspector does."""
        return await self._inspector.create_context(warning_level, pause_level, labels=labels)

    async def process(
        self,
        context: Context,
        jpeg: bytes,
        *,
        detail: bool = False,
        camera: Optional[str] = None,
        position: Optional[PrintPosition] = None,
        idempotency_key: Optional[str] = None,
    ) -> Inspection:
        """As the inspector does, with the next picture due at the minimum."""
        inspection = await self._inspector.process(
            context, jpeg, detail=detail, camera=camera, position=position, idempotency_key=idempotency_key
        )
        interval = inspection.next_interval
        return replace(inspection, next_interval=replace(interval, seconds=interval.minimum))

    async def feedback(
        self,
        context: Context,
        kind: str,
        *,
        failure_kind: Optional[str] = None,
        comment: Optional[str] = None,
        share_images: Optional[bool] = None,
    ) -> None:
        """As the inspector does."""
        await self._inspector.feedback(
            context, kind, failure_kind=failure_kind, comment=comment, share_images=share_images
        )

    async def check_bed(
        self, jpeg: bytes, printer: str, *, camera: Optional[str] = None, empty: bool = False
    ) -> BedCheck:
        """As the client does."""
        return await self._inspector.check_bed(jpeg, printer, camera=camera, empty=empty)

    async def close(self) -> None:
        """Close the inspector."""
        await self._inspector.close()


def explain(error: LayerwatchError, server: str) -> tuple[str, str]:
    """What a refusal or failure of the service means for the user, in plain words, and what to do.

    server: its address as it may be shown.
    """
    if isinstance(error, ForeignRefusal):
        return f"something between here and {server} refuses the connection", (
            "a proxy or a login page answers in the server's place; check the address"
        )
    if isinstance(error, InvalidResponse):
        return f"what answers at {server} is not a Layerwatch server", "check host and port"
    if isinstance(error, NoAnswer):
        given = error.address
        if given is not None and "://" in server and given != origin_of(server):
            return (
                f"the server {server} gives {given} as the address for pictures, which is not reachable "
                f"from here{_network(error, given)}",
                f"start the server with --public-url {origin_of(server)}, the address that works from here",
            )
        return f"the server {server} is not reachable{_network(error, server)}", (
            "see that it runs (layerwatch serve) and that the address and port are right; to be reached from "
            "other machines it must listen on their network (--host 0.0.0.0)"
        )
    if isinstance(error, InvalidApiKey):
        return "the server does not know this key", "make one with: layerwatch keys create --name NAME"
    if isinstance(error, ApiKeyDisabled):
        return "this key is disabled", "make a new one with: layerwatch keys create --name NAME"
    if isinstance(error, ApiKeyIpRestricted):
        return "this key may not be used from this address", (
            "make a key that allows it: layerwatch keys create --name NAME --allow-from ADDRESS"
        )
    if isinstance(error, PaymentFailed):
        return "the account has an unpaid invoice", "inspections go on as soon as it is paid"
    if isinstance(error, FreeUsageLimitReached):
        return "the free allowance is used up", "set up a payment method, or wait for the next month"
    if isinstance(error, ContextRateLimited):
        return "the picture was sent too early", ""
    if isinstance(error, BackendThrottled):
        return "the server is too busy just now", ""
    if isinstance(error, ImageDecodeFailed):
        return "the server could not decode the picture", "open the camera's picture in a browser"
    if isinstance(error, ServerError):
        return f"the server {server} failed", "see its log; the call is repeated"
    return str(error), ""


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, without a login."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _network(error: NoAnswer, server: str) -> str:
    if error.__cause__ is None:
        return ""
    from layerwatch_watcher.cameras.http import explain as explain_network

    what, hint = explain_network(error.__cause__, server)
    if "certificate" in what:
        hint = "use a host name listed in the certificate, or set SSL_CERT_FILE to its path"
        return f": {what}; {hint}"
    return f": {what}"
