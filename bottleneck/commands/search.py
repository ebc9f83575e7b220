"""`bottleneck search`: run, continue or only summarise a study; see `bottleneck.search`."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

import optuna
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from tabulate import tabulate

from bottleneck.commands.construct import construct
from bottleneck.commands.setup import cut_of, point_of, recipe_of, suite_channels
from bottleneck.commands.stopping import resumable
from bottleneck.commands.values import checked_seed
from bottleneck.cut import Cut
from bottleneck.deploy.frontier import Point
from bottleneck.identity import Identity
from bottleneck.search.study import Plan, release, search
from bottleneck.search.trials import Constraints, Pruning

log = logging.getLogger(__name__)

# What all trials of a study share, beside the network, the data and the space.
_SHARED = (
    "split",
    "objective",
    "rate",
    "codec",
    "optimizer",
    "scheduler",
    "seed",
    "space",
    "warm_start",
    "settle",
    "average",
    "cutmix",
    "loss",
    "target_bytes",
    "target_drop",
)

_LOOK_S = 0.1  # between looks at workers
_WORKER = "BOTTLENECK_WORKER"  # set for those that another process has started, which shows the end, once

# glibc gives the memory of each large tensor back to the kernel, which clears it for the next one: a third of
# a CPU's time (benchmarks/steps.py). Read when a process starts, so only new ones can be told.
_KEEP_MEMORY = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=20000000000"


def search_from(cfg: DictConfig) -> list[Point]:
    """Run the study of a configuration (`conf/search.yaml`)."""
    point = point_of(cfg)
    cut = cut_of(cfg, point.kind)
    study = cfg.study
    plan = Plan(
        name=study.name,
        folder=Path(study.folder),
        storage=study.storage,
        artifacts=study.artifacts,
        n_trials=study.n_trials,
        max_failures=study.max_failures,
        constraints=Constraints(**study.constraints),
        pruning=Pruning(**study.pruning),
    )
    untrained = suite_channels(cfg.suite, cut, "feature")
    checked_seed("study.seed", study.seed)
    space, sampler = construct(cfg.space), construct(cfg.sampler)
    return search(cut, point, recipe_of(cfg), space, sampler, plan, untrained, _settings(cfg, cut))


def _settings(cfg: DictConfig, cut: Cut) -> dict[str, Any]:
    """What two runs of one study must agree on."""
    plain = cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))
    unit = {
        key: value for key, value in plain["unit"].items() if key not in ("latent_channels", "stride", "step")
    }
    return {
        "network": Identity.of(cut.model, cut.images.image_shape).to_dict(),
        "images": {name: cut.images.contents(name) for name in ("train", "select", "val")},
        "max_epochs": plain["trainer"]["max_epochs"],
        "batch_size": plain["data"]["batch_size"],
        "unit": unit,
        **{key: plain[key] for key in _SHARED},
    }


def _run_workers(workers: int) -> None:
    """Start this command several times with the threads divided among the copies, and wait for them.

    Each has a session of its own, so that a signal reaches this process alone, which then ends them, and a
    pipe from it, which ends them where it has no time to. One that ends before the others costs its own
    trial: they do it again.

    Raises:
        ChildProcessError: If all of them ended before the study did.
    """
    hydra_config = HydraConfig.get()
    overrides = [o for o in hydra_config.overrides.task if not o.startswith("study.workers")]
    threads = max(1, (os.cpu_count() or 1) // workers)
    environment = {
        "GLIBC_TUNABLES": _KEEP_MEMORY,
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        _WORKER: "1",
        "TQDM_DISABLE": "1",  # bars of several processes would write over each other; lines stay whole
    }
    command = [sys.executable, "-m", "bottleneck", "search", *overrides, "study.workers=1"]
    processes = [
        subprocess.Popen(
            [*command, f"hydra.run.dir={hydra_config.runtime.output_dir}/{number}"],
            env=environment,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        for number in range(workers)
    ]
    try:
        # All are asked: until a dead one is, its number is that of a process, and others take it for alive.
        while None in [process.poll() for process in processes]:
            time.sleep(_LOOK_S)
    finally:
        # Where this process is asked to end; a killed trial is merely run again.
        for process in [each for each in processes if each.poll() is None]:
            os.killpg(process.pid, signal.SIGKILL)
        for process in processes:
            process.communicate()  # closes its pipe
    ends = [process.returncode for process in processes]
    if failed := [f"worker {number} {_ended(end)}" for number, end in enumerate(ends) if end]:
        told = f"{'; '.join(failed)}. Logs are in {hydra_config.runtime.output_dir}/0 and so on."
        if len(failed) == workers:
            raise ChildProcessError(f"{told} The same command goes on where they stopped.")
        log.warning("%s The others have done the whole study.", told)


def _end_with_command() -> None:
    """End this worker, and what it has started, as soon as the process is gone that has started it."""

    def wait() -> None:
        os.read(0, 1)  # nothing is ever written
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def _ended(code: int) -> str:
    """How a worker ended, from the code of its process."""
    if code == -signal.SIGKILL:
        return "was killed, as the system does where memory runs out (lower study.workers or data.batch_size)"
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else "failed"


def run(cfg: DictConfig) -> None:
    """Run the study, and print its frontier."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if type(cfg.study.workers) is not int or cfg.study.workers < 1:
        raise ValueError(f"study.workers={cfg.study.workers} is no number of processes. Use 1 or more.")
    if _WORKER in os.environ:
        _end_with_command()
    with resumable(lambda: "The same command goes on where it has stopped."):
        if cfg.study.workers > 1:
            try:
                _run_workers(cfg.study.workers)
            finally:
                release(cfg.study.name, cfg.study.storage)
            cfg.study.n_trials = 0  # all is done; what remains is to show it
        points = search_from(cfg)
    if _WORKER in os.environ:
        return
    if not points:
        print(
            f"No trial has been finished within the constraints, so {cfg.study.folder} has no frontier yet."
        )
        return
    rows = [
        [
            p.id,
            f"{p.payload_bytes:.1f}",
            f"{p.bpp:.4g}",
            f"{p.value:.4f}",
            *(f"{v:.4g}" for v in p.settings.values()),
        ]
        for p in points
    ]
    header = ["point", "bytes", "bpp", "value", *points[0].settings]
    print(tabulate(rows, header, tablefmt="github", disable_numparse=True))
    print(f"\nWritten to {cfg.study.folder}: frontier/, report.html, frontier.png, trials.jsonl")
