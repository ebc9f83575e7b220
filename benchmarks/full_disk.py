"""A disk that is full again and again under a search: the study has to end as an undisturbed one.

    python -m benchmarks.full_disk --trials 20 --step 100

Study, artifacts and frontier lie on a disk of memory (Linux, as root) that grows by a step whenever the
search ends for want of room. Each end has to be one line, and the same command has to go on from there.
"""

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from benchmarks.kills import LOADED, configured, found
from benchmarks.shared import parser
from bottleneck.commands.errors import explained
from bottleneck.commands.search import search_from


def work(cfg: DictConfig, said: Path) -> None:
    """One command; what it says goes to a file."""
    with said.open("w") as file:
        os.dup2(file.fileno(), 2)
    with explained("search", as_they_are=False):
        search_from(cfg)


def mount(folder: Path, options: str) -> None:
    """A disk of memory; with `remount` the one that is there changes."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)


def ended_full(cfg: DictConfig, disk: Path, step: int, said: Path) -> int:
    """Run the command until it succeeds, with more room each time; how often the disk was full."""
    full = 0
    while True:
        worker = LOADED.Process(target=work, args=(cfg, said))
        worker.start()
        worker.join()
        if worker.exitcode == 0:
            return full
        text = said.read_text()
        if worker.exitcode != 1 or "Traceback" in text or "disk is full" not in text.splitlines()[-1]:
            raise SystemExit(f"The command ended with {worker.exitcode}: {text}")
        full += 1
        mount(disk, f"size={(1 + full) * step}k,remount")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run both studies and compare them."""
    options = parser(__doc__)
    options.add_argument("--trials", type=int, default=20)
    options.add_argument("--step", type=int, default=100, help="kB by which the disk grows")
    options.add_argument("--folder", type=Path, default=Path("full_disk"), help="made anew for both studies")
    options.add_argument("--storage", default="journal", choices=("journal", "sqlite"))
    given = options.parse_args(arguments)
    warnings.simplefilter("ignore")
    os.environ["TQDM_DISABLE"] = "1"
    folder = given.folder.absolute()
    if sys.platform != "linux" or os.geteuid() != 0:
        options.error("only root of a Linux may mount a disk of memory.")
    if folder.exists():
        options.error(f"--folder={folder} is there already. Remove it, or name another one.")
    plain, disk = folder / "undisturbed", folder / "disk"
    disk.mkdir(parents=True)
    search_from(configured(plain, f"journal:///{plain}/s.journal", given.trials))
    begin = time.monotonic()
    mount(disk, f"size={given.step}k")
    try:
        cfg = configured(disk / "study", f"{given.storage}:///{disk}/study/s", given.trials)
        full = ended_full(cfg, disk, given.step, folder / "said")
        expected, ended = found(plain), found(disk / "study")
    finally:
        subprocess.run(["umount", disk], check=True)
    equal = {key: expected[key] == ended[key] for key in ("finished", "frontier")}
    seconds = time.monotonic() - begin
    print(f"{full} times full in {seconds:.0f} s: {dict(ended['fates'])}, equal: {equal}")
    if not all(equal.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
