"""SIGKILL at random moments of trainings or exports: they have to end in what an undisturbed one wrote.

    python -m benchmarks.killed_runs --of train --kills 100
    python -m benchmarks.killed_runs --of export --kills 100

A killed training goes on from its last checkpoint (`ckpt_path`), if it has one; a killed export is begun
again over what it left. Each that ends is compared bit by bit, but for the times that it measured, and the
next one is begun.
"""

import json
import os
import random
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir

from benchmarks.kills import LOADED
from benchmarks.shared import composed, parser
from bottleneck.commands import export
from bottleneck.commands.config import config_dir
from bottleneck.commands.train import train_and_measure
from bottleneck.deploy.places import found

SHORT = (
    *("device=cpu", "trainer.max_epochs=16", "data.train_limit=400", "data.val_limit=100"),
    *("suite=features", "suite.feature=null", "also_codecs=[]"),
)


def train(folder: Path) -> None:
    """Train on the digits, from the last checkpoint that the folder has."""
    last = folder / "checkpoints" / "last.ckpt"
    resumed = [f"ckpt_path='{last}'"] if last.exists() else []
    train_and_measure(composed("train", [*SHORT, *resumed]), folder)


def exported(folder: Path) -> None:
    """Export a bundle of the zoo into a folder that may be there already."""
    bundle = min(found("zoo:digits/default").glob("point-*"))
    with initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = compose("export", [f"bundle='{bundle}'", f"folder='{folder / 'bundle'}'"])
    export.run(cfg)


RUNS: dict[str, Callable[[Path], None]] = {"train": train, "export": exported}


def work(of: str, folder: Path) -> None:
    """One run; what it says goes nowhere."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    torch.set_num_threads(1)
    RUNS[of](folder)


def written(folder: Path) -> dict[str, bytes]:
    """What a run is for, by name, without the times that it measured."""
    made = folder / "bundle"
    files = {str(file.relative_to(made)): file.read_bytes() for file in made.rglob("*") if file.is_file()}
    if "bundle.json" in files:
        fields = json.loads(files["bundle.json"])
        del fields["checksum"]
        fields["result"] = {key: value for key, value in fields["result"].items() if not key.endswith("_ms")}
        files["bundle.json"] = json.dumps(fields).encode()
    return files


def main(arguments: Sequence[str] | None = None) -> None:
    """Kill, and compare whatever ends."""
    options = parser(__doc__)
    options.add_argument("--of", choices=RUNS, default="train")
    options.add_argument("--kills", type=int, default=10)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--folder", type=Path, default=Path("killed_runs"), help="made anew")
    given = options.parse_args(arguments)
    if given.folder.exists():
        options.error(f"--folder={given.folder} is there already. Remove it, or name another one.")
    plain, disturbed = given.folder.absolute() / "undisturbed", given.folder.absolute() / "disturbed"
    for _ in range(2):  # the first one loads libraries, and tells no time
        begin = time.monotonic()
        whole = LOADED.Process(target=work, args=(given.of, plain))
        whole.start()
        whole.join()
        if whole.exitcode:
            raise SystemExit(f"An undisturbed {given.of} ended with {whole.exitcode}.")
        longest, expected = time.monotonic() - begin, written(plain)
        shutil.rmtree(plain)
    rng, begin = random.Random(given.seed), time.monotonic()
    hits = ended = unequal = 0
    while hits < given.kills or not ended:
        run = LOADED.Process(target=work, args=(given.of, disturbed))
        run.start()
        run.join(rng.uniform(0, 1.2 * longest) if hits < given.kills else None)
        if run.is_alive():
            run.kill()
            run.join()
            hits += 1
            continue
        if run.exitcode:
            raise SystemExit(f"A {given.of} ended with {run.exitcode} after {hits} kills.")
        ended += 1
        unequal += written(disturbed) != expected
        shutil.rmtree(disturbed)
    seconds = time.monotonic() - begin
    print(f"{hits} kills of {given.of} in {seconds:.0f} s, {ended} ended, {unequal} of them unequal")
    if unequal:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
