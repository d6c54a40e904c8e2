"""The OpenID Connect provider of the settings."""

from __future__ import annotations

from layerwatch.config import ConfigError, Settings
from layerwatch.identity.oidc.flow import Provider


def provider_of(settings: Settings) -> Provider | None:
    """The provider that the settings name, if any. Raises ConfigError for one that cannot be used."""
    if not settings.oidc_issuer:
        return None
    if not settings.oidc_client_id:
        raise ConfigError("oidc_issuer needs oidc_client_id, too")
    try:
        from layerwatch.identity.oidc.provider import OpenIdProvider, is_safe
    except ImportError as missing:
        raise ConfigError("oidc_issuer needs its libraries: pip install 'layerwatch[oidc]'") from missing
    if not is_safe(settings.oidc_issuer, settings.oidc_issuer):
        raise ConfigError("oidc_issuer needs https, as in https://accounts.example.org")
    return OpenIdProvider(
        settings.oidc_issuer,
        settings.oidc_client_id,
        settings.oidc_client_secret.get_secret_value(),
        name=settings.oidc_name,
        back=f"{settings.own_url}/console/oidc/back",
    )
