"""``daybook rotate-master-key`` and ``new-master-key``: what wraps everybody's keys."""

import base64
import secrets

import typer

from ledger import database
from ledger.master_key import MasterKey, rotate, through

from ..settings import SettingsError, load
from ..wiring import ready_url
from .report import JsonFlag, as_json, facts, progress


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("rotate-master-key")(rotate_master_key)
    app.command("new-master-key")(new_master_key)


def rotate_master_key(json: JsonFlag = False) -> None:
    """Wrap all keys with DAYBOOK_MASTER_KEY that DAYBOOK_OLD_MASTER_KEY wrapped; interrupted, run it once more."""
    settings = load()
    old = settings.old_master_key_bytes()
    if old is None:
        raise SettingsError(
            "Set DAYBOOK_OLD_MASTER_KEY to the master key until now, DAYBOOK_MASTER_KEY to the new one."
        )
    master = MasterKey(settings.master_key_bytes(), settings.master_key_id, old)
    # As the owner of the vault: no process that serves may replace a key.
    with database.connect(ready_url(settings)) as connection, progress("Rewrapping") as advance:
        rewrapped = rotate(connection, master, advance)
    facts({"rewrapped": rewrapped, "master_key": master.id}, json)


def new_master_key(json: JsonFlag = False) -> None:
    """Print a new master key, wrapped by the key service where DAYBOOK_KEY_WRAP names one."""
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    wrap = load(anywhere=True).key_wrap
    made = through(wrap, key) if wrap else key
    if json:
        as_json({"master_key": made, "wrapped": bool(wrap)})
    else:
        typer.echo(made)
