"""Where things are: read once from the environment, ``LIQHEAT_*``.

What to run is a parameter of a job; how the model works is a parameter of an estimator. Neither
belongs here.
"""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Folders and limits of one installation.

    Parameters
    ----------
    home : Path
        Folder that holds landing files, the writer's database and what is published.
    threads : int, optional
        Threads for the model and the database; by default all cores.
    memory_limit_mb : int, optional
        Memory the database may use [MB]; by default 80 % of the machine's.
    publish_window_days : int
        Days of hourly rows the published file holds; the Parquet beside it holds everything.
    """

    model_config = SettingsConfigDict(env_prefix="LIQHEAT_", env_file=".env", extra="ignore")

    home: Path = Path("data")
    threads: int | None = Field(default=None, ge=1)
    memory_limit_mb: int | None = Field(default=None, ge=256)
    publish_window_days: int = Field(default=90, ge=1)

    @property
    def landing(self) -> Path:
        """Folder of landing files, one folder a kind."""
        return self.home / "landing"

    @property
    def answers(self) -> Path:
        """Folder of providers' answers as they came."""
        return self.home / "answers"

    @property
    def warehouse(self) -> Path:
        """The writer's database; nobody but the pipeline opens it."""
        return self.home / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """Folder of what everybody reads."""
        return self.home / "published"
