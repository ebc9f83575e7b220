"""`bottleneck COMMAND --help`: what it does, two examples, and the keys that matter.

The meaning of a key is the comment that stands behind it in `conf/`.
"""

import re
import textwrap
from pathlib import Path
from typing import NamedTuple

from bottleneck.commands.folder import config_dir

_COLUMNS = 100


class _Help(NamedTuple):
    examples: tuple[str, str]
    keys: tuple[str, ...]


_OPERATING_POINT = ("unit.latent_channels", "unit.stride", "unit.step", "alpha", "seed")
_HELP = {
    "train": _Help(
        ("bottleneck train", "bottleneck train experiment=imagenette data.root=PATH unit.step=4 alpha=0.03"),
        (
            "split",
            *_OPERATING_POINT,
            "target_bytes",
            "target_drop",
            "trainable",
            "ckpt_path",
            "trainer.max_epochs",
            "also_codecs",
            "subset",
        ),
    ),
    "evaluate": _Help(
        ("bottleneck evaluate suite=paper", "bottleneck evaluate bundles='[outputs/RUN/bundle]'"),
        ("bundles", "pictures", "split", "subset", "also_codecs", "device"),
    ),
    "search": _Help(
        (
            "bottleneck search study.n_trials=64",
            "bottleneck search study.workers=2 sampler=tpe",
        ),
        ("study.name", "study.n_trials", "study.workers", "study.storage", "study.artifacts", "split"),
    ),
    "profile": _Help(
        (
            "bottleneck profile model=resnet50",
            "bottleneck profile model.name=vgg16 depth=2",
        ),
        ("input_shape", "depth"),
    ),
    "analyze": _Help(
        ("bottleneck analyze", "bottleneck analyze split=layer1 'analyses=[quantization]'"),
        ("analyses", "samples", "split", "subset"),
    ),
    "plan": _Help(
        (
            "bottleneck plan link.bandwidth=2e6 link.rtt=0.03",
            "bottleneck plan frontier=studies/NAME/frontier policy=latency budget.latency=0.2",
        ),
        ("frontier", "link.bandwidth", "link.rtt", "policy", "samples", "device_times"),
    ),
    "serve": _Help(
        (
            "bottleneck serve frontier=studies/NAME/frontier",
            "bottleneck serve host=0.0.0.0 port=50051 token=WORD",
        ),
        ("frontier", "host", "port", "transport", "engine", "ray.replicas", "keep", "token", "device"),
    ),
    "stream": _Help(
        (
            "bottleneck stream source=video.mp4 server=HOST:50051 frontier=studies/NAME/frontier",
            "bottleneck stream source=rtsp://camera/1 policy=latency budget.latency=0.2",
        ),
        (
            "source",
            "server",
            "frontier",
            "frames",
            "fps",
            "strategy",
            "policy",
            "transport",
            "half",
            "timeout",
        ),
    ),
    "demo": _Help(
        ("bottleneck demo", "bottleneck demo frontier=studies/NAME/frontier source=video.mp4"),
        ("source", "frames", "fps", "slower", "link.bandwidth", "link.trace", "link.outage", "transport"),
    ),
    "choose": _Help(
        (
            "bottleneck choose frontier=zoo:digits/default max_bytes=8",
            "bottleneck choose frontier=studies/NAME max_ms=20 kbit_s=250",
        ),
        ("frontier", "max_bytes", "max_ms", "kbit_s", "min_metric"),
    ),
    "export": _Help(
        (
            "bottleneck export bundle=outputs/RUN/bundle",
            "bottleneck export bundle=PATH target=torch",
        ),
        ("bundle", "target", "folder"),
    ),
}


def help_of(command: str, summary: str) -> str:
    """The whole text for one command.

    Args:
        command: Its name.
        summary: What it does, in a line.
    """
    about = _HELP[command]
    meanings = {key: _meaning(key, command) for key in about.keys}
    width = max(map(len, meanings))
    return "\n".join(
        [
            summary,
            "",
            *(f"  {example}" for example in about.examples),
            "",
            "Keys that matter:",
            *(
                textwrap.fill(f"  {key:{width}}  {meaning}", _COLUMNS, subsequent_indent=" " * (width + 4))
                for key, meaning in meanings.items()
            ),
            "",
            textwrap.fill(f"Whole groups are chosen by name: {', '.join(_groups())}.", _COLUMNS),
            f"bottleneck {command} --cfg job shows every key with its value, --hydra-help what Hydra takes.",
        ]
    )


def _meaning(key: str, command: str) -> str:
    """Default and comment of a key, from the file that sets it: its group's, or a section elsewhere."""
    group, _, leaf = key.rpartition(".")
    conf = Path(config_dir())
    own = [conf / f"{name}.yaml" for name in (command, "base", "decide", "connection")]
    section = rf"{group}:.*\n(?:  .*\n)*?  " if group else ""
    places = [(file, section) for file in own]
    places += [(file, "") for file in sorted((conf / group).glob("de*.yaml")) if group]
    for file, section in places:
        found = re.search(rf"^{section}{leaf}: (.*?)(?: # (.*))?$", file.read_text("utf-8"), re.MULTILINE)
        if found:
            value, comment = found.groups()
            return f"{comment or ''} [{value}]".strip()
    raise KeyError(f"conf/ has no {key} for {command}")


def _groups() -> list[str]:
    return sorted(path.name for path in Path(config_dir()).iterdir() if path.is_dir())
