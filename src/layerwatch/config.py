"""Settings: from LAYERWATCH_* variables, a TOML file, and the command line, the last one strongest.

Every setting is explained by its `description`; `docs` and `--help` are made from it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from layerwatch.core.cores import usable_cores
from layerwatch.core.egress import Reachable
from layerwatch.core.errors import UserError
from layerwatch.core.origins import parse_origins
from layerwatch.core.secrets import Secrets, read_or_create


class ConfigError(UserError):
    """A setting is wrong; the message names it and says what would be right."""

    exit_status = 2


def default_data_dir() -> Path:
    """Where a user's program keeps its data on this platform (XDG on Linux)."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "layerwatch"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "layerwatch"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "layerwatch"


class Settings(BaseSettings):
    """Everything that an operator may set."""

    model_config = SettingsConfigDict(env_prefix="LAYERWATCH_", extra="forbid", validate_default=True)

    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Folder of the embedded database and the secret file. Made if missing, mode 0700.",
    )
    database: str = Field(
        "",
        description="Address of the database: postgresql://USER@HOST/NAME, or sqlite:///FILE. "
        "Empty: layerwatch.sqlite3 in data_dir.",
    )
    database_threads: PositiveInt = Field(
        4, description="Concurrent transactions; with PostgreSQL the pool has 4 more connections."
    )
    objects: str = Field(
        "",
        description="Where kept pictures are stored: s3://BUCKET/PREFIX, gs://… or az://…, with the "
        "usual variables (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, …); needs layerwatch[objects]. Several "
        "nodes share one. Empty: the folder `objects` in data_dir.",
    )
    secret: SecretStr | None = Field(
        None,
        description="The installation's secret, at least 32 characters; all nodes of a fleet share one. "
        "Empty: kept in the file `secret` in data_dir, made at the first start.",
    )

    host: str = Field(
        "127.0.0.1", description="Address to listen on. 0.0.0.0 lets other machines in your network reach it."
    )
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on. 0: any free port.")
    workers: Literal["auto"] | PositiveInt = Field(
        1,
        description="Worker processes on one port; auto: one for each core. They share the detector's "
        "threads, the queue and the upload memory. Not on Windows.",
    )
    public_url: str = Field(
        "",
        description="The URL under which clients reach this region, without path: https://eu.example.org. "
        "Returned by createcontext. Empty: http://HOST:PORT; with host 0.0.0.0 the address of this machine "
        "that the caller used.",
    )
    fallback_url: str = Field(
        "", description="The second URL returned by createcontext (global routing). Empty: public_url."
    )
    trusted_proxies: str = Field(
        "127.0.0.1",
        description="Addresses and networks of reverse proxies, separated by commas. Their "
        "X-Forwarded-For is used as the caller's address: for keys tied to networks, limits on guessing, the "
        "audit log. Ignored from other addresses.",
    )
    trust_host_header: bool = Field(
        False,
        description="Build the URLs in answers from the request's Host header. Only for a home network where "
        "a machine has several names: the sender of a request then chooses the URL.",
    )
    cors_origins: str = Field(
        "",
        description="Origins of web pages that may call the API from a browser, separated by commas, "
        "for example https://app.example.org. Cookies are never allowed. Empty: none.",
    )
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,8}$")] = Field(
        "local", description="This region's name: 1 to 8 of a-z, 0-9 and '-'. Part of each context id."
    )

    detector: str = Field(
        "standard",
        min_length=1,
        description="standard: the packaged detector, or the model made active by `layerwatch "
        "models`. large: the one made by `layerwatch models get large`. Otherwise the path of an ONNX file.",
    )
    detector_provider: str = Field(
        "cpu", description="ONNX Runtime's execution provider: cpu, cuda, tensorrt, openvino, coreml …"
    )
    detector_threads: PositiveInt | None = Field(
        None, description="CPU threads of the detector. Empty: one per core."
    )

    queue_length: PositiveInt = Field(
        64,
        description="Pictures queued or being inspected; more are refused with OE_BACKEND_THROTTLED.",
    )
    queue_deadline: PositiveFloat = Field(
        5.0, description="Seconds within which an accepted picture must be inspected, or it is refused."
    )
    upload_memory: PositiveInt = Field(
        96 * 1024 * 1024, description="Bytes of pictures held in memory, over all calls."
    )
    upload_silence: PositiveFloat = Field(
        15.0, description="Seconds without a byte after which a request is aborted, on every route."
    )
    upload_seconds: PositiveFloat = Field(60.0, description="Maximum seconds for a request's whole body.")
    connections_per_address: PositiveInt = Field(
        200,
        description="Connections that one address (IPv6: one /64) may hold; beyond that its slowest are "
        "closed. Trusted proxies are exempt.",
    )

    interval_min: PositiveInt = Field(20, ge=20, description="Minimum NextProcessIntervalSec.")
    interval_rest: PositiveInt = Field(
        40, ge=20, description="Interval of a healthy print without load, seconds."
    )
    interval_suspicious: PositiveInt = Field(
        20, ge=20, description="Interval of a suspicious print without load, seconds."
    )
    interval_ceiling: PositiveInt = Field(300, ge=20, description="Maximum interval under any load, seconds.")

    price_book: Path | None = Field(None, description="Price-book file (TOML). Empty: the packaged one.")
    invoice_seller: str = Field(
        "Layerwatch", description="Name and address of the seller on invoices; lines separated by \\n."
    )
    invoice_pay_to: str = Field(
        "",
        description="How invoices are paid, printed on them, such as bank and IBAN; lines separated by"
        " \\n. The invoice's number is added as the reference.",
    )
    tax_rules: Path | None = Field(
        None, description="File of tax rules (TOML). Empty: invoices are without tax."
    )
    invoice_due_days: NonNegativeInt = Field(14, description="Days from an invoice's issue until it is due.")
    invoice_grace_days: NonNegativeInt = Field(
        7, description="Days after the due date until the account's Process calls are refused."
    )
    payments: Literal["manual", "stripe"] = Field(
        "manual", description="manual: the operator books payments. stripe: needs layerwatch[stripe]."
    )
    stripe_key: SecretStr = Field(SecretStr(""), description="Stripe's secret key (sk_live_… or sk_test_…).")
    stripe_webhook_secret: SecretStr = Field(
        SecretStr(""), description="Secret of the webhook that Stripe sends to /console/payments/stripe."
    )
    stripe_api: str = Field("", description="Address of a Stripe double, for tests. Empty: Stripe.")
    mail_server: SecretStr = Field(
        SecretStr(""),
        description="smtp://USER:PASSWORD@HOST or smtps://…. Empty: mail is written to the console.",
    )
    mail_from: str = Field("layerwatch@localhost", description="Sender of e-mails.")
    sign_up: Literal["open", "closed"] = Field(
        "closed", description="Whether anyone may create an account in the console."
    )
    oidc_issuer: str = Field(
        "",
        description="OpenID Connect provider whose users may sign in to the console: its issuer, for example "
        "https://accounts.google.com. Needs layerwatch[oidc]. Empty: none.",
    )
    oidc_client_id: str = Field("", description="The client id that the provider assigned.")
    oidc_client_secret: SecretStr = Field(
        SecretStr(""), description="The client secret. Empty: a public client."
    )
    oidc_name: str = Field("", description="The provider's name on the button. Empty: the issuer's host.")
    webhooks_private: bool = Field(
        False, description="Let customers' webhooks reach private addresses: only in a home network."
    )

    obico_api: bool = Field(
        False,
        description="Also answer as Obico's ML API does (GET /p/?img=URL and /hc/), for tools that use it. "
        "Without accounts and billing.",
    )
    obico_token: SecretStr = Field(
        SecretStr(""), description="Bearer token required of these calls. Empty: none."
    )
    obico_hosts: str = Field(
        "",
        description="Hosts and networks, besides public addresses, that pictures may be fetched from: "
        "192.168.1.0/24, octopi.local. Empty: no private network.",
    )

    feedback_days: PositiveInt = Field(365, description="Days until feedback and its pictures are deleted.")

    review_two_people: bool = Field(
        False,
        description="A label of a picture counts only once two people have given the same one in the review.",
    )

    prints_days: PositiveInt = Field(
        90, description="Days that a print is kept after its last picture: labels, course, outcome, events."
    )
    pictures_days: PositiveInt = Field(
        30, description="Days that small copies of pictures are kept, where an account keeps them at all."
    )
    pictures_mb: PositiveInt = Field(
        500, description="Megabytes of such copies that are kept for one account; the oldest go first."
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Minimum log level.")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="console for people, json for machines, auto: console on a terminal."
    )
    status_page: bool = Field(
        False,
        description="Show the regions' state and history at /status, without sign-in. Use the same setting "
        "on all nodes: only nodes with it record their state.",
    )
    traces: Literal["off", "otlp"] = Field(
        "off",
        description="otlp: send traces by OpenTelemetry, configured by OTEL_EXPORTER_OTLP_ENDPOINT and the "
        "other OTEL_* variables; needs layerwatch[otel].",
    )
    clock_speed: PositiveFloat = Field(
        1.0,
        le=10_000,
        description="Speed of the server's clock, as a multiple of real time. For demonstrations and tests "
        "only: intervals stay in print seconds, so clients must run at the same speed.",
    )

    @field_validator("data_dir")
    @classmethod
    def _own_folder(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("public_url", "fallback_url")
    @classmethod
    def _whole_url(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("needs its scheme, for example https://eu.example.org")
        return value.rstrip("/")

    @field_validator("obico_hosts")
    @classmethod
    def _hosts(cls, value: str) -> str:
        Reachable.parse(value)
        return value

    @field_validator("cors_origins")
    @classmethod
    def _whole_origins(cls, value: str) -> str:
        parse_origins(value)
        return value

    @field_validator("secret")
    @classmethod
    def _long_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and 0 < len(value.get_secret_value()) < 32:
            raise ValueError("needs at least 32 characters; `openssl rand -hex 32` makes one")
        return value

    @field_validator("workers")
    @classmethod
    def _can_share_a_port(cls, value: str | int) -> str | int:
        if value != 1 and sys.platform == "win32":
            raise ValueError("must be 1 on Windows")
        return value

    @property
    def origins(self) -> frozenset[str]:
        """The origins of `cors_origins`."""
        return parse_origins(self.cors_origins)

    @property
    def processes(self) -> int:
        """How many processes serve: `workers`, the word filled in."""
        if self.workers != "auto":
            return self.workers
        return usable_cores()

    @property
    def database_url(self) -> str:
        """The database's address, the default filled in."""
        return self.database or f"sqlite:///{self.data_dir / 'layerwatch.sqlite3'}"

    @property
    def listens_everywhere(self) -> bool:
        """Whether it listens on all of the machine's addresses."""
        return self.host in ("0.0.0.0", "::", "")  # noqa: S104

    @property
    def own_url(self) -> str:
        """The URL given out to clients, the default filled in."""
        if self.public_url:
            return self.public_url
        host = "127.0.0.1" if self.listens_everywhere else self.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def secrets(self) -> Secrets:
        """The installation's keys: from `secret`, or from the file in data_dir, made if missing.

        Raises ConfigError when the file cannot be read or made.
        """
        if self.secret is not None and self.secret.get_secret_value():
            return Secrets.derive(self.secret.get_secret_value().encode())
        path = self.data_dir / "secret"
        try:
            return Secrets.derive(read_or_create(path))
        except OSError as error:
            raise ConfigError(f"cannot read or make the secret file {path}: {error.strerror}") from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load(config: Path | None = None, **given: Any) -> Settings:
    """The settings, from what was `given` (None counts as not given), the environment, and a TOML file.

    config: the TOML file; by default the one that LAYERWATCH_CONFIG names, if any.
    Raises ConfigError, with one line for each wrong setting.
    """
    named = config or (Path(os.environ["LAYERWATCH_CONFIG"]) if os.environ.get("LAYERWATCH_CONFIG") else None)
    if named is not None and not named.is_file():
        raise ConfigError(f"no such settings file: {named}")

    class WithFile(Settings):
        model_config = SettingsConfigDict(toml_file=named)

    try:
        return WithFile(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(problem) for problem in error.errors())) from error
    except ValueError as error:  # tomllib's
        raise ConfigError(f"{named}: {error}") from error


def _explain(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{name}: unknown setting"
    return f"{name} (or LAYERWATCH_{name.upper()}): {problem['msg']}"
