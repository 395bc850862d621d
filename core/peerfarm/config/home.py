"""Where a node's files live on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from peerfarm.config.settings import Home
from peerfarm.errors import ConfigError


def find_home(environ: Mapping[str, str]) -> Home:
    """The places of this user's node; none of them needs to exist yet.

    `PEERFARM_HOME` moves all of it: HOME/data, HOME/config, HOME/logs, HOME/local.json. Without it data, settings and
    logs lie where the system wants them, and the local file in `~/.peerfarm`, where plug-ins find it without a library.

    Raises:
        ConfigError: The user's home directory cannot be found.
    """
    try:
        own = environ.get("PEERFARM_HOME", "")
        if own:
            home = Path(own).expanduser().absolute()
            return Home(data=home / "data", config=home / "config", logs=home / "logs", local=home / "local.json")
        import platformdirs  # noqa: PLC0415 - not needed where PEERFARM_HOME is set

        return Home(
            data=Path(platformdirs.user_data_dir("peerfarm", appauthor=False)),
            config=Path(platformdirs.user_config_dir("peerfarm", appauthor=False)),
            logs=Path(platformdirs.user_log_dir("peerfarm", appauthor=False)),
            local=Path.home() / ".peerfarm" / "local.json",
        )
    except RuntimeError as error:
        raise ConfigError(f"this user's home directory cannot be found: {error}", "Set PEERFARM_HOME.") from error
