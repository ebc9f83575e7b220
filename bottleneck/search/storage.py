"""Where a study is kept, from the URL in the configuration.

journal:///relative/path    journal:////absolute/path    one file; local or NFS, many processes
sqlite:///relative/path     one file; on this machine's own disk, several processes
postgresql://...  mysql://...                            many machines
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
from optuna.artifacts import Boto3ArtifactStore, FileSystemArtifactStore
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.study import StudyDirection
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError, ProgrammingError, SQLAlchemyError

from bottleneck.files import writable
from bottleneck.identity import agree
from bottleneck.search.journal import Journal

_JOURNAL, _SQLITE = "journal:///", "sqlite:///"
_PATIENCE_S = 60.0  # for as long a worker waits for another one's write
#: What a storage raises that is away or has no room left.
FAILURES = (SQLAlchemyError, StorageInternalError)


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Say in a sentence that a storage failed, whatever its driver says.

    Raises:
        OSError: In the place of any error of a database.
    """
    try:
        yield
    except FAILURES as error:
        told = error.__cause__ if isinstance(error, StorageInternalError) else error
        text = str(getattr(told, "orig", None) or told or error).strip().partition("\n")[0]
        raise OSError(
            f"study.storage failed: {text}. The same command goes on when it answers again."
        ) from error


def open_storage(url: str) -> BaseStorage:
    """The storage behind a URL; a file's folder is made.

    Raises:
        ValueError: If the URL is of an unknown kind.
        OSError: If nothing can be written in the file's folder.
        ModuleNotFoundError: If a database's driver is missing.
    """
    if url.startswith(_JOURNAL):
        return JournalStorage(Journal(_file(url, _JOURNAL)))
    if url.startswith(_SQLITE):
        return _sqlite(_file(url, _SQLITE))
    if url.startswith("postgresql://"):
        return _database(url.replace("postgresql://", "postgresql+psycopg://", 1))  # the extra's driver
    if url.startswith(("postgresql+", "mysql://", "mysql+")):
        return _database(url)
    raise ValueError(
        f"study.storage={url!r} is no storage. Use journal:///relative, journal:////absolute, sqlite:///..., "
        "postgresql://... or mysql://..."
    )


def open_artifacts(where: str) -> FileSystemArtifactStore | Boto3ArtifactStore:
    """The store of trained units: a folder, or `s3://bucket`.

    Raises:
        ValueError: If the URL names more than a bucket, or another kind of store.
        OSError: If the folder cannot be made.
    """
    if where.startswith("s3://"):
        bucket = where.removeprefix("s3://").rstrip("/")
        if not bucket or "/" in bucket:
            raise ValueError(f"study.artifacts={where!r} must name a bucket and nothing else: s3://bucket.")
        return Boto3ArtifactStore(bucket)
    if "://" in where:
        raise ValueError(f"study.artifacts={where!r} is no store. Use a folder, or s3://bucket.")
    if not Path(where).is_dir():  # one that is there may be shown without being written
        writable(Path(where))
    return FileSystemArtifactStore(where)


def check_known(name: str, storage: BaseStorage) -> None:
    """Refuse a study that is not there.

    Raises:
        ValueError: If it is not; the message has those that are.
    """
    known = optuna.get_all_study_names(storage)
    if name not in known:
        there = f"It has {', '.join(known)}." if known else "It is empty."
        raise ValueError(
            f"study.name={name} is unknown in study.storage. {there} Set study.n_trials above 0 to "
            "begin a study."
        )


def open_study(
    name: str, storage: BaseStorage, sampler: optuna.samplers.BaseSampler, settings: dict[str, Any]
) -> optuna.Study:
    """The study of that name, made or continued.

    Args:
        name: The study's name in its storage.
        storage: Where it is kept.
        sampler: Draws the next trials.
        settings: What all of its trials must share; JSON-able.

    Raises:
        ValueError: If a study of that name has other objectives, or other settings; the differing keys are
            named. A key that the release that began it did not know of differs from nothing.
    """
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        sampler=sampler,
        directions=["minimize", "maximize"],
        load_if_exists=True,
    )
    if study.directions != [StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE]:
        raise ValueError(
            f"study.name={name} is a study of something else: it has {len(study.directions)} objectives, or "
            "others than a rate to minimize and a metric to maximize. Choose another study.name."
        )
    known = study.user_attrs.get("settings")
    if known is None:
        study.set_user_attr("settings", settings)
    elif different := sorted(key for key in known if not agree(known[key], settings.get(key))):
        raise ValueError(
            f"study.name={name} was begun with other settings: {different} differ. "
            "Choose another study.name, or go back to the old settings."
        )
    return study


def _database(url: str, attempts: int = 5) -> RDBStorage:
    try:
        # Trials train for longer than many a network keeps an idle connection.
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    except ImportError as error:
        raise ModuleNotFoundError(
            f"study.storage={url.partition('://')[0]}://... needs a driver: "
            'pip install "split-bottleneck[postgresql]", or for MySQL pip install mysqlclient.'
        ) from error
    except (IntegrityError, ProgrammingError):
        # Machines that begin together on an empty database make the same tables; one of them succeeds.
        if attempts == 1:
            raise
        time.sleep(1)
        return _database(url, attempts - 1)


def _sqlite(path: Path) -> RDBStorage:
    """With a log of its own, so that workers neither block each other for long nor lose what was written."""
    storage = RDBStorage(f"{_SQLITE}{path}", engine_kwargs={"connect_args": {"timeout": _PATIENCE_S}})

    @event.listens_for(storage.engine, "connect")
    def log_ahead(connection: Any, record: Any) -> None:
        connection.execute("pragma journal_mode=wal")

    return storage


def _file(url: str, scheme: str) -> Path:
    path = Path(url.removeprefix(scheme)).absolute()
    writable(path.parent)
    return path
