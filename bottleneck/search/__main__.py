"""`python -m bottleneck.search`: run, continue or only summarise a study; see the package's docstring."""

import dataclasses
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any, cast

import hydra
import optuna
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from optuna.trial import TrialState
from tabulate import tabulate

from bottleneck.config import config_dir
from bottleneck.deploy.frontier import Point
from bottleneck.experiment import Experiment, suite_methods
from bottleneck.models import weights_identity
from bottleneck.search.frontiers import save_frontier
from bottleneck.search.leases import Lease, fail_expired
from bottleneck.search.storage import open_artifacts, open_storage, open_study
from bottleneck.search.trials import Bench, run_trial

log = logging.getLogger(__name__)

# What all trials of a study share, beside the network, the data and the space.
_SHARED = ("split", "objective", "rate", "codec", "optimizer", "scheduler", "seed", "space", "warm_start")


def search(cfg: DictConfig) -> list[Point]:
    """Run trials until the study has `study.n_trials` finished ones, then write its frontier.

    Args:
        cfg: The composed configuration (`conf/search.yaml`).

    Returns:
        The frontier's points.

    Raises:
        ValueError: If a trial would train on several devices, or nothing untrained is there to compare with.
    """
    if cfg.trainer.devices != 1:
        raise ValueError(
            f"trainer.devices={cfg.trainer.devices}: a trial trains on one device. Start one command for "
            "each GPU (CUDA_VISIBLE_DEVICES=0, 1, ...); they share the study."
        )
    if cfg.open_cut:
        raise ValueError(
            "open_cut=true is for train.py. A study ends in bundles, which are deployed at closed cuts."
        )
    if not cfg.suite.feature:
        raise ValueError(
            "suite.feature is empty: a study's hypervolume ends at the smallest untrained method. Leave one, "
            "as suite=features does."
        )
    experiment = Experiment.from_config(cfg)
    net = experiment.split(cfg.split)
    artifacts = open_artifacts(cfg.study.artifacts)
    study = open_study(
        cfg.study.name, open_storage(cfg.study.storage), instantiate(cfg.sampler), _settings(experiment)
    )
    _name_objectives(study, experiment.task.metric)
    folder = Path(cfg.study.folder)
    fail_expired(study)
    try:
        if _open_places(study, cfg) > 0:
            bench = Bench.prepare(experiment, net, artifacts)
            _measure_baselines(study, bench)
            while _open_places(study, cfg) > 0:
                _one_trial(study, bench)
                save_frontier(study, artifacts, folder)
    finally:
        points = save_frontier(study, artifacts, folder)
    return points


def _name_objectives(study: optuna.Study, metric: str) -> None:
    """Label the axes of optuna-dashboard and of Optuna's own pictures."""
    with warnings.catch_warnings():
        # Called experimental since Optuna 3.2, and unchanged since.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(["bpp", metric])


def _one_trial(study: optuna.Study, bench: Bench) -> None:
    """Ask for a trial, run it, tell what became of it."""
    fail_expired(study)
    trial = study.ask()
    # Several workers may see the same open place; the trials asked for last give way.
    before = [t for t in study.get_trials(deepcopy=False) if t.number < trial.number]
    if sum(t.state != TrialState.FAIL for t in before) >= bench.experiment.cfg.study.n_trials:
        trial.set_user_attr("surplus", True)
        study.tell(trial, state=TrialState.FAIL)
        return
    with Lease(trial):
        try:
            values = run_trial(study, trial, bench)
        except optuna.TrialPruned as reason:
            study.tell(trial, state=TrialState.PRUNED)
            log.info("trial %d stopped: %s", trial.number, reason)
        except Exception:
            study.tell(trial, state=TrialState.FAIL)
            log.exception("trial %d failed", trial.number)
        except KeyboardInterrupt:
            study.tell(trial, state=TrialState.FAIL)
            raise
        else:
            study.tell(trial, values)
            log.info("trial %d: %.4g bpp, %.4f with %s", trial.number, *values, trial.params)


def _open_places(study: optuna.Study, cfg: DictConfig) -> int:
    """How many trials the study still wants.

    Raises:
        RuntimeError: If too many trials failed.
    """
    trials = study.get_trials(deepcopy=False)
    failed = [t.number for t in trials if t.state == TrialState.FAIL and not t.user_attrs.get("surplus")]
    if len(failed) > cfg.study.max_failures:
        raise RuntimeError(
            f"{len(failed)} trials failed (numbers {failed}), study.max_failures={cfg.study.max_failures}. "
            "The log has their errors; raise the limit to go on."
        )
    return cfg.study.n_trials - sum(t.state != TrialState.FAIL for t in trials)


def _measure_baselines(study: optuna.Study, bench: Bench) -> None:
    """Measure the untrained methods once per study, for the picture."""
    if "baselines" not in study.user_attrs:
        methods = suite_methods(bench.experiment.cfg.suite, bench.net, "feature")
        for method in methods:
            method.fit(bench.features.batches("train"), bench.net)
        rows = bench.experiment.measure(bench.net, bench.features, methods, "val", bench.references["val"])
        study.set_user_attr("baselines", [dataclasses.asdict(row) for row in rows])


def _settings(experiment: Experiment) -> dict[str, Any]:
    """What two runs of one study must agree on."""
    cfg = cast(dict[str, Any], OmegaConf.to_container(experiment.cfg, resolve=True))
    unit = {key: v for key, v in cfg["unit"].items() if key not in ("latent_channels", "stride", "step")}
    return {
        "network": weights_identity(experiment.model),
        "images": {name: experiment.images.fingerprint(name) for name in ("train", "select", "val")},
        "max_epochs": cfg["trainer"]["max_epochs"],
        "unit": unit,
        **{key: cfg[key] for key in _SHARED},
    }


# glibc gives the memory of each large tensor back to the kernel, which clears it for the next one: a third of
# a CPU's time (benchmarks/steps.py). Read when a process starts, so only new ones can be told.
_KEEP_MEMORY = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=20000000000"


def _run_workers(workers: int) -> None:
    """Start this command several times with the threads divided among the copies, and wait for them."""
    overrides = [o for o in HydraConfig.get().overrides.task if not o.startswith("study.workers")]
    threads = max(1, (os.cpu_count() or 1) // workers)
    environment = {"GLIBC_TUNABLES": _KEEP_MEMORY, **os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "bottleneck.search", *overrides, "study.workers=1"]
    processes = [
        subprocess.Popen(
            [*command, f"hydra.run.dir={HydraConfig.get().runtime.output_dir}/{number}"], env=environment
        )
        for number in range(workers)
    ]
    failed = [process.args for process in processes if process.wait() != 0]
    if failed:
        raise RuntimeError(f"{len(failed)} of {workers} workers failed; their logs are beside this run's.")


@hydra.main(version_base="1.3", config_path=config_dir(), config_name="search")
def main(cfg: DictConfig) -> None:
    """Compose the configuration, run the study, and print its frontier."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # it greets before every trial
    if cfg.study.workers > 1:
        _run_workers(cfg.study.workers)
        cfg.study.n_trials = 0  # all is done; what remains is to show it
    points = search(cfg)
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
    header = ["point", "bytes", "bpp", "value", *(points[0].settings if points else [])]
    print(tabulate(rows, header, tablefmt="github", disable_numparse=True))
    print(f"\nWritten to {cfg.study.folder}: frontier/, report.html, frontier.png, trials.jsonl")


if __name__ == "__main__":
    main()
