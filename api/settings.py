"""Settings, read from the environment and checked at start."""

import base64
import os
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from ledger import embedded
from ledger.master_key import key_bytes, through

from . import sealing

TOKEN_SECRET_MIN = 32
"""Why: RFC 7518 section 3.2 asks for a key as long as the hash, 32 bytes for HS256."""

MAKE_MASTER_KEY = "openssl rand -base64 32"
MAKE_TOKEN_SECRET = "openssl rand -base64 48"  # noqa: S105  (says how to make one)

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Why: development shows more than strangers should see."""


class SettingsError(Exception):
    """A setting is missing or wrong; the message says which, and what to do."""


class Mode(StrEnum):
    """Development shows GraphiQL and prints tokens; production does neither."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """Everything Daybook can be told, with its defaults; each comes from the environment."""

    model_config = SettingsConfigDict(
        env_prefix="DAYBOOK_", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    database_url: Annotated[str | None, Field(validation_alias="DATABASE_URL")] = None
    """A PostgreSQL to use; without it the embedded one in ``home`` is started."""
    home: Path = Path(".daybook")
    """Where the embedded database, its secrets and reject files are kept."""
    host: str = "127.0.0.1"
    """The address the server listens on."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    """The port the server listens on."""
    mode: Mode = Mode.DEVELOPMENT
    """Development or production."""
    master_key: SecretStr | None = None
    """Base64 of the 32 bytes that wrap the subjects' keys."""
    master_key_id: str = "master-1"
    """What the master key is called in the vault."""
    old_master_key: SecretStr | None = None
    """The master key before this one, while keys are still wrapped with it."""
    key_unwrap: str | None = None
    """A command that unwraps the master keys by a key service: the key as it is set on stdin, its base64 on stdout."""
    key_wrap: str | None = None
    """A command that wraps a new master key by a key service: its base64 on stdin, what is to be set on stdout."""
    destroyed_keys: Path | None = None
    """The list of destroyed keys, apart from the database; ``destroyed-keys`` in the home where none is named."""
    token_secret: SecretStr | None = None
    """The secret that signs tokens, at least 32 characters."""
    origin: str | None = None
    """What names the ledger in its checkpoints, such as ledger.example.com/cases."""
    seal_key: SecretStr | None = None
    """Base64 of the 32 bytes of the Ed25519 key that signs checkpoints; several, with commas between, all sign."""
    seal_command: str | None = None
    """A command that signs instead, by a key service: the text on stdin, the base64 of the signature on stdout."""
    seal_vkey: str | None = None
    """The public key of what the command signs with; for a process that does not sign, that of the ledger."""
    seal_old_keys: str | None = None
    """Public keys that signed earlier checkpoints, with commas between; they keep verifying."""
    receipt_key: SecretStr | None = None
    """Base64 of the 32 bytes of another Ed25519 key, for the receipts of a server that is not to hold the seal key."""
    publish_folder: Path | None = None
    """A folder outside the database where each checkpoint is left as a file."""
    publish_url: SecretStr | None = None
    """An address each checkpoint is sent to: by PUT where it names {size}, else by POST."""
    publish_command: str | None = None
    """A command that is given each checkpoint on stdin, such as one that sends e-mail."""
    witnesses: str | None = None
    """Witnesses that cosign checkpoints, with commas between: for each its address, a space and its public key."""

    @model_validator(mode="after")
    def _secrets_are_whole(self) -> Self:
        if self.token_secret and len(self.token_secret.get_secret_value()) < TOKEN_SECRET_MIN:
            raise ValueError(
                f"DAYBOOK_TOKEN_SECRET needs at least {TOKEN_SECRET_MIN} characters; make one with: {MAKE_TOKEN_SECRET}"
            )
        if self.master_key and not self.key_unwrap:
            self.master_key_bytes()
            self.old_master_key_bytes()
        sealing.check(self)
        if self.mode is Mode.DEVELOPMENT and self.host not in LOOPBACK:
            raise ValueError("DAYBOOK_HOST reaches beyond this machine; set DAYBOOK_MODE=production with it")
        return self

    def master_key_bytes(self) -> bytes:
        """The master key in clear; raises ``ValueError`` when it is missing or not 32 bytes."""
        if self.master_key is None:
            raise SettingsError(f"Set DAYBOOK_MASTER_KEY; make one with: {MAKE_MASTER_KEY}")
        return self._key_bytes(self.master_key, "DAYBOOK_MASTER_KEY")

    def old_master_key_bytes(self) -> bytes | None:
        """The master key before it in clear, where there is one; raises ``ValueError`` when it is not 32 bytes."""
        return self._key_bytes(self.old_master_key, "DAYBOOK_OLD_MASTER_KEY") if self.old_master_key else None

    def _key_bytes(self, given: SecretStr, name: str) -> bytes:
        text = given.get_secret_value()
        key = key_bytes(through(self.key_unwrap, text) if self.key_unwrap else text)
        if key is None:
            wrong = SettingsError if self.key_unwrap else ValueError
            raise wrong(f"{name} must be 32 bytes in base64; make one with: {MAKE_MASTER_KEY}")
        return key

    def token_secret_text(self) -> str:
        """The secret that signs tokens; raises :class:`SettingsError` when it is missing."""
        if self.token_secret is None:
            raise SettingsError(f"Set DAYBOOK_TOKEN_SECRET; make one with: {MAKE_TOKEN_SECRET}")
        return self.token_secret.get_secret_value()

    @property
    def address(self) -> str:
        """Where the server's GraphQL is, as a browser takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/graphql"

    def url(self) -> str:
        """The database's URL; starts the embedded PostgreSQL where none is named."""
        return self.database_url or embedded.start(self.home.absolute())


def load(*, begin: bool = False, anywhere: bool = False) -> Settings:
    """Read the settings; raises :class:`SettingsError` with one sentence for a wrong one.

    Without ``DATABASE_URL`` the embedded database's own secrets are made when a ledger begins and kept, readable by the
    owner alone, in ``secrets.env`` and ``seal.env`` under the home; with it they must come from the environment. Only
    to ``begin`` a ledger is a home made where there is none, and only what can be done ``anywhere`` asks for none.
    """
    home = None if anywhere or os.environ.get("DATABASE_URL") else Path(os.environ.get("DAYBOOK_HOME") or ".daybook")
    if home and home.exists() and not home.is_dir():
        raise SettingsError(f"DAYBOOK_HOME must be a folder, and {home} is a file.")
    if home and not begin and not any((home / kept).exists() for kept in ("secrets.env", "postgres")):
        raise SettingsError(
            f"There is no ledger in {home.absolute()}; go to the folder that has one, or name it with DAYBOOK_HOME or"
            " DATABASE_URL. To begin one here: daybook run for a first look, daybook migrate for an empty one."
        )
    try:
        return Settings(_env_file=_own_secrets(home) if home else None)  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError(_sentence(error.errors()[0])) from None
    except UnicodeDecodeError:
        raise SettingsError(
            f"secrets.env or seal.env in {home} is damaged; put a copy back, as no other keys open this ledger."
        ) from None


def variable(name: str, field: FieldInfo) -> str:
    """The environment variable a setting is read from."""
    if isinstance(field.validation_alias, str):
        return field.validation_alias
    return f"{Settings.model_config['env_prefix']}{name}".upper()


def _sentence(error: Any) -> str:
    """What is wrong with a setting, and what it must be; no secret comes here by name, so none is shown."""
    fields = {name: field for name, field in Settings.model_fields.items() if name in error["loc"]}
    for name, field in fields.items():
        return f"{variable(name, field)} must be {_wanted(field)}, not {error['input']!r:.80}."
    return str(error["msg"]).removeprefix("Value error, ")


def _wanted(field: FieldInfo) -> str:
    if isinstance(field.annotation, type) and issubclass(field.annotation, StrEnum):
        return " or ".join(field.annotation)
    bounds = {name: getattr(bound, name) for bound in field.metadata for name in ("ge", "le") if hasattr(bound, name)}
    return f"a whole number from {bounds['ge']} to {bounds['le']}" if bounds else "text"


def _own_secrets(home: Path) -> tuple[Path, ...]:
    """The files of the home's own secrets; those that seal came later, so they are made where only they are missing."""
    kept = {
        "secrets.env": {
            "DAYBOOK_MASTER_KEY": _key(),
            "DAYBOOK_TOKEN_SECRET": secrets.token_urlsafe(48),
        },
        "seal.env": {
            "DAYBOOK_ORIGIN": f"daybook.invalid/{secrets.token_hex(8)}",
            "DAYBOOK_SEAL_KEY": _key(),
        },
    }
    for name, values in kept.items():
        if not (home / name).exists():
            _make(home / name, "".join(f"{variable}={value}\n" for variable, value in values.items()))
    return tuple(home / name for name in kept)


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _make(path: Path, text: str) -> None:
    """Make a file that only its owner reads; where another process has made it meanwhile, that one stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Made under another name first: a second process never reads half of it.
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
