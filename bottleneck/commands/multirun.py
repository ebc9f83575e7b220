"""`-m`: several runs of one command share what they have in common, and end in one table and one picture."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from bottleneck.measure.results import Result

# What the rows of untrained codecs depend on.
_SHARED = ("model", "data", "task", "split", "open_cut", "suite", "subset", "device")


def measured_once(cfg: DictConfig, measure: Callable[[], "list[Result]"]) -> "list[Result]":
    """The rows of untrained codecs: read where an earlier run of this multirun has measured the same ones.

    Args:
        cfg: The run's configuration.
        measure: Makes the rows.
    """
    from bottleneck.measure.results import read_results, write_results

    if not HydraConfig.initialized() or HydraConfig.get().mode != RunMode.MULTIRUN:
        return measure()
    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    about = [plain.get(key) for key in _SHARED] + [plain["unit"]["kind"]]
    key = hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()[:12]
    file = Path(HydraConfig.get().sweep.dir) / f"untrained-{key}.jsonl"
    if not file.exists():
        write_results(measure(), file)
    return read_results(file)


class Sweep(Callback):
    """At the end of a multirun, put the rows of its runs into one table and one picture."""

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Print the table, and write what a single run writes, into the multirun's folder."""
        from bottleneck.commands.outputs import FILES, write_outputs
        from bottleneck.show.tables import table

        folder = Path(config.hydra.sweep.dir)
        rows = rows_of(folder)
        if not rows:
            return
        write_outputs(rows, folder)
        print(f"\n{table(rows)}\n\nWritten to {folder}: {FILES}; a folder for each run")


def rows_of(folder: Path) -> "list[Result]":
    """The rows of all runs in a multirun's folder; those of trained units are named after what was set.

    Frozen networks and untrained codecs, which several runs have in common, come once.
    """
    from bottleneck.measure.results import read_results

    files = sorted(folder.glob("*/results.jsonl"), key=lambda file: (len(file.parts[-2]), file))
    given = [OmegaConf.load(file.parent / ".hydra" / "overrides.yaml") for file in files]
    rows: dict[tuple[Any, ...], Result] = {}
    for file, here in zip(files, given, strict=True):
        told = " ".join(str(each) for each in here if any(each not in other for other in given))
        for row in read_results(file):
            if row.kind == "trained":
                row.setting = told
                row.method = f"{row.method} {told}"
            rows.setdefault((row.kind, row.method, row.model, row.dataset, row.split), row)
    return list(rows.values())
