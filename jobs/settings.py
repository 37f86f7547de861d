"""Where things are: folders, addresses and limits, read from the environment, ``LIQHEAT_*``.

Does not belong here: what to run (parameters of jobs), how the model works (estimators).
"""

import difflib
import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from jobs.engines.engine_choice import THREADS, EngineChoice, checked_engine
from jobs.errors import SettingsRejected
from warehouse.address import (
    BUCKET,
    LAKE,
    ObjectStore,
    WarehouseAddress,
    place_mistake,
    read_warehouse_address,
)
from warehouse.machine_memory import default_memory_bytes

# Read where numpy is imported first, which is after this. Products as small as those of a fit take
# a multiple of their time on several threads, and differ in a last bit with their number.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_PREFIX = "LIQHEAT_"
_ENV_FILE = ".env"

_MOST_MB = 100_000_000
_MOST_SECONDS = 1e6
_MOST_DAYS = 3660


# Variables that programs for object storage share.
_STORE = {
    "key_id": "AWS_ACCESS_KEY_ID",
    "secret": "AWS_SECRET_ACCESS_KEY",
    "token": "AWS_SESSION_TOKEN",
    "region": "AWS_REGION",
    "endpoint": "AWS_ENDPOINT_URL",
}


def _path_or_address(value: object) -> object:
    """Return the address of a lake as a secret: it may hold a password."""
    return SecretStr(value) if isinstance(value, str) and value.startswith(LAKE) else value


def _reader_memory_mb() -> int:
    """Return the memory of a reader that no setting gives [MB]."""
    return max(min(2048, default_memory_bytes() // 1_000_000), 64)


class VenueKey(BaseModel):
    """The API key of one venue, for data it serves only with one. Never written anywhere."""

    model_config = ConfigDict(extra="forbid")

    api_key: SecretStr | None = None
    secret: SecretStr | None = None
    password: SecretStr | None = None


class Settings(BaseSettings):
    """Folders and limits of one installation.

    Parameters
    ----------
    home : Path
        Folder of landing files, the writer's database and the published files.
    warehouse : Path or SecretStr
        The writer's database: a file, by default in the home folder, or the address of a lake.
    data : str, optional
        Folder or ``s3://bucket/prefix`` of a lake's data.
    send_to : str, optional
        Folder or ``s3://bucket/prefix`` that a collector sends its landing files to.
    receive_from : str, optional
        Folder or ``s3://bucket/prefix`` that a writer receives the files of collectors from.
    threads : int, optional
        Threads for the model and the database, or processes for the model; by default all cores.
    on : str
        Where work on assets runs: ``threads``, ``dask`` for processes of this machine, or the
        address of the scheduler of a Dask cluster.
    shard_seconds : float
        Time after which a shard of assets on Dask is left out of the run [s].
    memory_limit_mb : int, optional
        Memory the database may use [MB]; by default half of the machine's or the container's.
    query_memory_mb : int
        Memory a reader of the published file may use [MB]; by default 2048, or half of the
        machine's or the container's memory where that is less.
    query_seconds : float
        Time a reader's statement may compute [s].
    publish_window_days : int
        Days of hourly rows the published file holds; the Parquet beside it holds everything.
    publish_kept_percent : float
        Share of the published file that rows kept as first published may take.
    detail_hours : int
        Newest hours of which maps by leverage and odds of touch by bin are kept and published.
    postgres_url : str, optional
        Address of a PostgreSQL database that each publication is copied to.
    postgres_map_days : int
        Days of the map, bin by bin, that are copied there.
    postgres_reach_percent : float
        Distance from price within which bins of the map are copied there [%].
    serve_token : str, optional
        What clients of ``liqheat serve`` must send; needed once it listens on another address than
        this machine's own, or answers to another name.
    serve_names : str, optional
        Further host names that the server answers to, separated by commas, as behind a proxy.
    universe : Path, optional
        Which venues and assets are followed; by default ``universe.yaml`` in the home folder.
    history_days : int
        Days of history requested of a feed that is new. From 30 on, bars are requested from 30 days
        further back.
    landing_days : int
        Days after which loaded landing files move to raw history.
    venue_url : str, optional
        Address of a stand-in for all venues; by default the venues themselves.
    sentiment_url : str, optional
        Address of the Fear & Greed index; by default its own.
    quotes_url : str, optional
        Address of prices of stablecoins; by default the spot markets themselves.
    positions_url : str, optional
        Address of a stand-in for Hyperliquid's public positions: requests, trades, lists; by
        default its own.
    archive_url : str, optional
        Address of Binance's public archive or a mirror; by default its own.
    http_proxy, https_proxy, socks_proxy, ws_proxy, wss_proxy, ws_socks_proxy : str, optional
        As in ccxt: at most one of the first three, and one of the others.
    keys : dict of str to VenueKey
        By venue; public data needs none.
    coinglass_api_key, coinank_api_key, datamaxi_api_key, hyblock_client_id, \
hyblock_client_secret, hyblock_api_key : str, optional
        Keys of map providers; one without its keys is skipped.
    provider_url : str, optional
        Address of a stand-in for all map providers; by default the providers themselves.
    alert_seconds : float
        Time one target of alerts may take for one message [s].
    targets : dict of str to str
        Addresses and signing secrets of targets of alerts, by a name of the user's choice:
        ``alerts.yaml`` refers to them as ``${LIQHEAT_TARGETS__PHONE}``, or to any other variable.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_file=_ENV_FILE, env_nested_delimiter="__", extra="ignore"
    )

    home: Path = Path("data")
    warehouse: Annotated[Path | SecretStr, BeforeValidator(_path_or_address)] = Field(
        default_factory=lambda given: given["home"] / "warehouse.duckdb"
    )
    data: str | None = None
    send_to: str | None = None
    receive_from: str | None = None
    threads: int | None = Field(default=None, ge=1, le=1024)
    on: Annotated[str, AfterValidator(checked_engine)] = THREADS
    shard_seconds: float = Field(default=600.0, gt=0, le=_MOST_SECONDS, allow_inf_nan=False)
    memory_limit_mb: int | None = Field(default=None, ge=256, le=_MOST_MB)
    query_memory_mb: int = Field(default_factory=_reader_memory_mb, ge=64, le=_MOST_MB)
    query_seconds: float = Field(default=60.0, gt=0, le=_MOST_SECONDS, allow_inf_nan=False)
    publish_window_days: int = Field(default=90, ge=1, le=_MOST_DAYS)
    publish_kept_percent: float = Field(default=10.0, ge=0, le=100, allow_inf_nan=False)
    detail_hours: int = Field(default=168, ge=1, le=24 * 366)
    postgres_url: SecretStr | None = None
    postgres_map_days: int = Field(default=7, ge=1, le=_MOST_DAYS)
    postgres_reach_percent: float = Field(default=20.0, gt=0, le=100, allow_inf_nan=False)
    serve_token: SecretStr | None = None
    serve_names: str | None = None
    universe: Path | None = None
    history_days: int = Field(default=30, ge=1, le=_MOST_DAYS)
    landing_days: int = Field(default=7, ge=0, le=_MOST_DAYS)
    venue_url: str | None = None
    sentiment_url: str | None = None
    positions_url: str | None = None
    archive_url: str | None = None
    quotes_url: str | None = None
    http_proxy: SecretStr | None = None
    https_proxy: SecretStr | None = None
    socks_proxy: SecretStr | None = None
    ws_proxy: SecretStr | None = None
    wss_proxy: SecretStr | None = None
    ws_socks_proxy: SecretStr | None = None
    keys: dict[str, VenueKey] = Field(default_factory=dict)
    coinglass_api_key: SecretStr | None = None
    coinank_api_key: SecretStr | None = None
    datamaxi_api_key: SecretStr | None = None
    hyblock_client_id: SecretStr | None = None
    hyblock_client_secret: SecretStr | None = None
    hyblock_api_key: SecretStr | None = None
    provider_url: str | None = None
    alert_seconds: float = Field(default=10.0, gt=0, le=600, allow_inf_nan=False)
    targets: dict[str, SecretStr] = Field(default_factory=dict)

    @field_validator("send_to", "receive_from")
    @classmethod
    def _check_shared_landing(cls, value: str | None, info: ValidationInfo) -> str | None:
        """Refuse what is no shared landing, and a home that would be collector and writer."""
        if not value:
            return None
        mistake = place_mistake(value)
        if mistake:
            raise ValueError(mistake)
        home = info.data.get("home")
        is_folder = not value.startswith(BUCKET)
        if is_folder and home:
            folder, own = Path(value).resolve(), home.resolve()
            # Files are deleted there once they are in the landing folder.
            if folder.is_relative_to(own):
                raise ValueError("it lies in LIQHEAT_HOME; a shared landing is a folder of its own")
            if own.is_relative_to(folder):
                raise ValueError("LIQHEAT_HOME lies in it; a shared landing is a folder of its own")
        if info.field_name == "receive_from" and info.data.get("send_to"):
            raise ValueError(
                "LIQHEAT_SEND_TO is set too; a home either sends or receives, unset one of them"
            )
        if info.field_name == "send_to" and not isinstance(info.data.get("warehouse"), Path):
            raise ValueError(
                "LIQHEAT_WAREHOUSE is a lake; a collector keeps its own warehouse in a file and "
                "never opens the writer's lake: unset LIQHEAT_WAREHOUSE"
            )
        return value.rstrip("/") or value

    @property
    def engine(self) -> EngineChoice:
        """Where work on assets runs."""
        return EngineChoice(self.on, self.threads, self.shard_seconds)

    @property
    def landing(self) -> Path:
        """Folder of landing files, one folder per kind."""
        return self.home / "landing"

    @property
    def raw(self) -> Path:
        """Folder of raw history: landing files by kind and month, kept for ever."""
        return self.home / "raw"

    @property
    def answers(self) -> Path:
        """Folder of providers' responses as received."""
        return self.home / "answers"

    @property
    def warehouse_address(self) -> WarehouseAddress:
        """Where the writer's database is; only the pipeline opens it.

        Raises
        ------
        WarehouseError
            It is a lake, and its address cannot be read.
        """
        if isinstance(self.warehouse, Path):
            return self.warehouse
        return self.read_address(self.warehouse.get_secret_value(), self.data)

    def read_address(self, text: str, data: str | None) -> WarehouseAddress:
        """Return the address in a text, a path or that of a lake with its data in a place.

        Raises
        ------
        WarehouseError
            It is the address of a lake and cannot be read.
        """
        return read_warehouse_address(
            text, data=data, spill=self.home / "spill", store=read_object_store()
        )

    @property
    def published(self) -> Path:
        """Folder of the published files."""
        return self.home / "published"

    @property
    def providers_file(self) -> Path:
        """The file of requests to map providers; optional."""
        return self.home / "providers.yaml"

    @property
    def estimators(self) -> Path:
        """Folder of the user's own estimators, one YAML file each; optional."""
        return self.home / "estimators"

    @property
    def universe_file(self) -> Path:
        """The file that lists the followed venues and assets; optional."""
        return self.universe or self.home / "universe.yaml"

    @property
    def alerts_file(self) -> Path:
        """The file of alert rules and their targets; optional."""
        return self.home / "alerts.yaml"

    @property
    def alert_ledger(self) -> Path:
        """The ledger of alerts: what is on, and what is still to be delivered."""
        return self.home / "alerts" / "alerts.sqlite"

    def read_secret(self, variable: str) -> SecretStr | None:
        """Return what a variable of the environment holds; None where it is not set or empty.

        Variables of ``targets`` may also come from ``.env``, like every setting.
        """
        part = variable.upper().removeprefix(f"{_variable('targets')}__")
        found = self.targets.get(part.lower())
        value = os.environ.get(variable, "") if found is None else found.get_secret_value()
        return SecretStr(value) if value else None


def read_object_store() -> ObjectStore:
    """Return how the environment of this process says that object storage is reached."""
    store = {name: os.environ.get(variable) or None for name, variable in _STORE.items()}
    return ObjectStore(**store)


def read_settings() -> Settings:
    """Return the settings of the environment and of ``.env``.

    Raises
    ------
    SettingsRejected
        A variable is unknown or its value cannot be used; the message never holds the value, which
        may be a secret.
    """
    names = {_variable(name) for name in Settings.model_fields}
    unknown = sorted(
        name
        for name in (*os.environ, *_names_in_env_file())
        if name.startswith(_PREFIX) and not any(_names(known, name) for known in names)
    )
    if unknown:
        near = difflib.get_close_matches(unknown[0], sorted(names), n=1)
        hint = f"did you mean {near[0]}?" if near else ".env.example lists the settings"
        raise SettingsRejected(f"{unknown[0]} is no setting; {hint}")
    try:
        return Settings()
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False, include_context=False)[0]
        variable = _variable("__".join(map(str, first["loc"])))
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsRejected(f"{variable}: {reason}; .env.example shows its form") from None
    except SettingsError:
        # Its message holds the value.
        raise SettingsRejected(
            "a LIQHEAT_ variable that takes JSON holds something else; .env.example shows the "
            "form, for example LIQHEAT_KEYS__BINANCE__API_KEY"
        ) from None


def _names_in_env_file() -> list[str]:
    """Return the settings that ``.env`` in the working folder sets.

    Raises
    ------
    SettingsRejected
        It cannot be read.
    """
    path = Path(_ENV_FILE)
    if path.is_dir() or not path.exists():
        return []
    if not path.is_file():
        raise SettingsRejected(f"{path.resolve()}: not a regular file; remove it")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = "not UTF-8" if isinstance(exc, UnicodeDecodeError) else exc.strerror
        raise SettingsRejected(f"{path.resolve()} cannot be read: {reason}") from None
    return re.findall(rf"^\s*(?:export\s+)?({_PREFIX}\w+)\s*=", text, re.MULTILINE)


def _variable(name: str) -> str:
    return f"{_PREFIX}{name.upper()}"


def _names(known: str, name: str) -> bool:
    """Return whether a variable is a setting or a part of one, as the keys of a venue are."""
    has_parts = known in (_variable("keys"), _variable("targets"))
    return name.upper() == known or (has_parts and name.startswith(f"{known}__"))
