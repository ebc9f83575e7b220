"""SIGKILL at random moments of a search with several workers: the study has to end as an undisturbed one.

    python -m benchmarks.kills --kills 100 --workers 8 --storage sqlite:///kills.db

Workers are forked from a process that has loaded the libraries and nothing else, so none begins with a lock
that a thread held in this process. One is killed at a random moment behind its first trial's beginning: a
kill while it looks for the data would hit nothing.
"""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from omegaconf import DictConfig
from optuna.storages import BaseStorage

from benchmarks.shared import composed, parser
from bottleneck.commands.search import search_from
from bottleneck.search import leases
from bottleneck.search.storage import open_storage

SHORT = (
    *("device=cpu", "trainer.max_epochs=2", "study.pruning.after=null"),
    *("data.train_limit=200", "data.val_limit=100", "space.step=[0.1, 0.5]", "space.log10_alpha=[0.5, 1.5]"),
)
LOADED = multiprocessing.get_context("forkserver")
LOADED.set_forkserver_preload(["benchmarks.kills"])


def configured(folder: Path, storage: str, trials: int) -> DictConfig:
    """A short search on the digits, whose trials do not depend on each other."""
    where = [f"study.folder={folder}", f"study.storage={storage}", f"study.n_trials={trials}"]
    return composed("search", [*SHORT, *where])


def work(cfg: DictConfig) -> None:
    """One worker."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        search_from(cfg)


def found(folder: Path) -> dict[str, Any]:
    """What a study ended in: finished trials, their fates, and its frontier without the trials' numbers."""
    trials = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    frontier = json.loads((folder / "frontier" / "frontier.json").read_text())["points"]
    for point in frontier:
        del point["settings"]["trial"], point["sha256"]
    finished = sorted((t["place"], json.dumps(t["params"]), t["values"]) for t in trials if t["values"])
    return {
        "finished": finished,
        "frontier": frontier,
        "fates": Counter(trial["fate"] for trial in trials),
    }


def at_work(name: str, storage: BaseStorage) -> set[int]:
    """Processes that have ever held a trial of a study."""
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:  # nobody has begun it yet
        return set()
    return {trial.user_attrs.get(leases.KEY, {}).get("pid") for trial in study.get_trials(deepcopy=False)}


def killed(
    cfg: DictConfig, n_workers: int, kills: int, longest: float, seed: int, restart: str | None
) -> tuple[int, int]:
    """Run workers, kill one at random moments and start another, then let them end.

    Returns:
        Kills that hit, and workers that ended because their database was away.
    """
    rng, hits, ended, storage = random.Random(seed), 0, 0, open_storage(cfg.study.storage)
    workers = [LOADED.Process(target=work, args=(cfg,)) for _ in range(n_workers)]
    for worker in workers:
        worker.start()
    while hits < kills and any(worker.is_alive() for worker in workers):
        chosen = rng.randrange(n_workers)
        while workers[chosen].is_alive() and workers[chosen].pid not in at_work(cfg.study.name, storage):
            time.sleep(0.1)
        time.sleep(rng.uniform(0, longest))
        if restart and hits >= kills // 2:
            subprocess.run(restart, shell=True, check=True, stdout=subprocess.DEVNULL)
            restart = None
        if workers[chosen].is_alive():
            os.kill(workers[chosen].pid or 0, signal.SIGKILL)
            hits += 1
        elif workers[chosen].exitcode and ended < n_workers:
            ended += 1
        else:
            continue
        workers[chosen].join()
        workers[chosen] = LOADED.Process(target=work, args=(cfg,))
        workers[chosen].start()
    for worker in workers:
        worker.join()
    return hits, ended


def main(arguments: Sequence[str] | None = None) -> None:
    """Run both studies and compare them."""
    options = parser(__doc__)
    options.add_argument("--kills", type=int, default=10)
    options.add_argument("--trials", type=int, default=12)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--longest", type=float, default=2.0, help="seconds between two kills at most")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--folder", type=Path, default=Path("kills"), help="made anew for both studies")
    options.add_argument("--storage", help="URL of the disturbed study; default: a journal in the folder")
    options.add_argument("--restart", help="shell command that ends and starts the database, in the middle")
    given = options.parse_args(arguments)
    warnings.simplefilter("ignore")
    folder = given.folder.absolute()
    if folder.exists():
        options.error(f"--folder={folder} is there already. Remove it, or name another one.")
    plain, disturbed = folder / "undisturbed", folder / "disturbed"
    cfg = configured(plain, f"journal:///{plain}/s.journal", given.trials)
    search_from(cfg)
    begin = time.monotonic()
    storage = given.storage or f"journal:///{disturbed}/s.journal"
    cfg = configured(disturbed, storage, given.trials)
    hits, away = killed(cfg, given.workers, given.kills, given.longest, given.seed, given.restart)
    search_from(cfg)
    expected, ended = found(plain), found(disturbed)
    equal = {key: expected[key] == ended[key] for key in ("finished", "frontier")}
    print(
        f"{hits} kills in {time.monotonic() - begin:.0f} s, {away} workers without a database, {storage}: "
        f"{dict(ended['fates'])}, equal: {equal}"
    )
    if not all(equal.values()) or ended["fates"]["interrupted"] > hits + away:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
