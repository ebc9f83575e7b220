"""Where studies are kept, and that a study is one study."""

import sys
from pathlib import Path

import optuna
import pytest
from optuna.samplers import RandomSampler

from bottleneck.search.storage import check_known, open_artifacts, open_storage, open_study


@pytest.mark.parametrize("scheme", ["journal", "sqlite"])
@pytest.mark.parametrize("absolute", [False, True])
def test_file_storages_are_made_where_the_url_says(tmp_path, monkeypatch, scheme, absolute):
    """Three slashes are relative to the working folder, four absolute; missing folders are made."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a" / "b.study"
    storage = open_storage(f"{scheme}:///{path if absolute else 'a/b.study'}")
    open_study("s", storage, RandomSampler(), {})
    assert path.exists()
    if scheme == "sqlite":  # a file that nobody closes is a warning, hence an error
        storage.remove_session()
        storage.engine.dispose()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
@pytest.mark.timeout(30)
@pytest.mark.parametrize("scheme", ["journal", "sqlite"])
@pytest.mark.parametrize("folder", ["/proc", "/proc/none"])
def test_storage_in_a_place_where_nothing_can_be_made(scheme, folder):
    """It is a sentence, not a lock that is waited for."""
    with pytest.raises(OSError, match=rf"{folder} cannot be written \(No such file"):
        open_storage(f"{scheme}:///{folder}/s")
    with pytest.raises(OSError, match=r"/proc/none cannot be written \(No such file"):
        open_artifacts("/proc/none")


@pytest.mark.parametrize("url", ["study.db", "redis://x", "journal:relative"])
def test_unknown_storage_is_answered_with_the_known_ones(url):
    """A URL of another kind is refused with what would be right."""
    with pytest.raises(ValueError, match=r"study\.storage=.*journal:///relative.*postgresql://"):
        open_storage(url)


@pytest.mark.parametrize(("url", "driver"), [("postgresql://h/d", "psycopg"), ("mysql://h/d", "MySQLdb")])
def test_missing_driver_is_named(monkeypatch, url, driver):
    """Without its driver, a database is answered with the command that installs it."""
    monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(ModuleNotFoundError, match=r"needs a driver: pip install .*postgresql.*mysqlclient"):
        open_storage(url)


@pytest.mark.parametrize("where", ["s3://", "s3://bucket/folder", "gs://bucket"])
def test_unknown_artifact_stores_are_refused(where):
    """Anything but a folder or a bare bucket is refused with what would be right."""
    with pytest.raises(ValueError, match=r"study\.artifacts=.*s3://bucket"):
        open_artifacts(where)


def test_study_is_continued_only_with_its_own_settings(tmp_path):
    """A second run with another alpha range, say, is refused and the differing keys are named."""
    storage = open_storage(f"journal:///{tmp_path}/s.journal")
    study = open_study("s", storage, RandomSampler(), {"split": "a", "space": 1})
    study.ask()
    assert len(open_study("s", storage, RandomSampler(), {"split": "a", "space": 1}).trials) == 1
    with pytest.raises(ValueError, match=r"study\.name=s was begun with other settings: \['space'\] differ"):
        open_study("s", storage, RandomSampler(), {"split": "a", "space": 2})


@pytest.mark.parametrize("directions", [["minimize"], ["maximize", "minimize"]])
def test_study_of_something_else_is_not_continued(tmp_path, directions):
    """One whose objectives are others was begun by another program; it would take none of our trials."""
    storage = open_storage(f"journal:///{tmp_path}/s.journal")
    optuna.create_study(study_name="s", storage=storage, directions=directions)
    with pytest.raises(ValueError, match=r"study\.name=s is a study of something else.*another study\.name"):
        open_study("s", storage, RandomSampler(), {})


def test_study_of_an_earlier_release_is_continued(tmp_path):
    """It says nothing of a setting that is new; a release that does not know one of its own is refused."""
    storage = open_storage(f"journal:///{tmp_path}/s.journal")
    open_study("s", storage, RandomSampler(), {"split": "a"})
    open_study("s", storage, RandomSampler(), {"split": "a", "cutmix": 0.5})
    with pytest.raises(ValueError, match=r"\['split'\] differ"):
        open_study("s", storage, RandomSampler(), {"cutmix": 0.5})


def test_artifacts_survive_in_their_folder(tmp_path):
    """A unit that was uploaded comes back byte for byte."""
    store = open_artifacts(str(tmp_path / "artifacts"))
    (tmp_path / "unit").write_bytes(b"weights")
    study = optuna.create_study()
    artifact = optuna.artifacts.upload_artifact(
        artifact_store=store, file_path=str(tmp_path / "unit"), study_or_trial=study
    )
    optuna.artifacts.download_artifact(
        artifact_store=store, artifact_id=artifact, file_path=str(tmp_path / "again")
    )
    assert (tmp_path / "again").read_bytes() == b"weights"


def test_a_study_that_is_not_there_is_named(tmp_path):
    """The message has the studies that the storage holds."""
    storage = open_storage(f"journal:///{tmp_path}/study.journal")
    with pytest.raises(ValueError, match=r"study\.name=mine is unknown .* It is empty"):
        check_known("mine", storage)
    open_study("other", storage, RandomSampler(), {})
    with pytest.raises(ValueError, match=r"study\.name=mine is unknown .* It has other"):
        check_known("mine", storage)
    check_known("other", storage)
