r"""Trained for losses against what protects packets, at equal bytes.

    python -m benchmarks.loss rows.jsonl loss.png --bytes 240 split=layer1
    python -m benchmarks.loss rows.jsonl loss.png --bytes 240 split=layer2

One unit for each method, trained towards a number of bytes with which packets, headers, copies and parity
come to about `--bytes`: as it is, with every packet sent twice, with half as many Reed-Solomon packets, and
with groups of channels lost while it trains, any of them or the last. Each is measured where packets are lost
independently and in bursts, nothing concealed, and as its packets arrive one by one. Overrides are those of
`bottleneck train`. Each finished unit is a line of the file; one that is there is not trained again.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from benchmarks.shared import composed, markdown, parser
from bottleneck.channel import Channel
from bottleneck.codecs.packets.stage import in_packets
from bottleneck.commands.losses import on_lossy_links
from bottleneck.commands.setup import cut_of, point_of, recipe_of
from bottleneck.cut import Cut
from bottleneck.lossy.concealment import Zero
from bottleneck.lossy.link import LossyLink
from bottleneck.lossy.losses import Packets
from bottleneck.lossy.processes import Lost, Process
from bottleneck.show.captions import save
from bottleneck.training import train

_HEADER_SHARE = 0.3  # of what is sent in small packets


class Method(NamedTuple):
    """A way to be robust.

    Attributes:
        losses: Override of the training.
        sent: Packets sent per packet of the payload.
        link: Overrides of the link.
    """

    losses: str
    sent: float
    link: list[str]


METHODS = {
    "plain": Method("loss=none", 1, []),
    "sent twice": Method("loss=none", 2, ["suite.loss.copies=2"]),
    "half parity": Method("loss=none", 1.6, ["suite.loss.parity=0.5"]),
    "trained: packets": Method("loss=packets", 1, []),
    "trained: prefix": Method("loss=prefix", 1, []),
}


class Beginning(Process):
    """The first packets of every sample arrive.

    Args:
        arriving: How many.
    """

    rate = 0.0

    def __init__(self, arriving: int):
        self.arriving = arriving

    def draw(self, count: int) -> Lost:
        return np.arange(count) >= self.arriving


def run(method: Method, n_bytes: float, mtu: int, overrides: Sequence[str]) -> list[dict[str, Any]]:
    """Train a unit, and measure it under losses and packet by packet; rows of results."""
    payload = n_bytes / method.sent * (1 - _HEADER_SHARE)
    cfg = composed("train", ["rate=density", method.losses, f"target_bytes={payload}", *overrides])
    cut = cut_of(cfg, cfg.unit.kind)
    channel = train(cut, point_of(cfg), recipe_of(cfg), enable_checkpointing=False)
    assert channel is not None, "one process trains"
    link = ["suite=loss", "suite.loss.models=[packets,bursts]", "suite.loss.concealments=[zero]"]
    suite = composed("evaluate", [*link, f"suite.loss.mtu={mtu}", *method.link]).suite.loss
    channels = on_lossy_links(suite, cut, [channel])
    packets = cut.channel(in_packets(channel.codec, suite.by, mtu), channel.unit, family="arriving")
    channels += beginnings(packets, cut)
    return [dataclasses.asdict(row) for row in cut.measure(channels, cfg.subset, cfg.seed)]


def beginnings(packets: Channel, cut: Cut) -> list[Channel]:
    """A channel on links where the first packet arrives, the first two, and so on."""
    given, _ = next(iter(cut.features.batches("val")))
    most = max(packets.transmit(given).packets)
    return [
        packets.through(LossyLink(f"first {n}", Packets(Beginning(n)), Zero())) for n in range(1, most + 1)
    ]


def curve(rows: Sequence[dict[str, Any]], model: str) -> list[tuple[float, float]]:
    """Accuracy against the share that is lost, from none on; or against the packets that arrive."""
    if model == "arriving":
        first = [row for row in rows if (row["loss_model"] or "").startswith("first ")]
        return [(float(row["loss_model"].split()[1]), row["value"]) for row in first]
    whole = next(row for row in rows if row["family"] == "bottleneck-packets" and not row["loss_model"])
    lost = [row for row in rows if row["loss_model"] == model]
    return [(0.0, whole["value"]), *((row["loss_rate"], row["value"]) for row in lost)]


def summary(finished: Sequence[dict[str, Any]]) -> str:
    """A line per split, method and loss model: what is sent, and the accuracy at each share that is lost."""
    lines = []
    for entry in finished:
        for model in ("packets", "bursts"):
            sent = next(row for row in entry["rows"] if row["loss_model"] == model)
            values = {f"{rate:g}": f"{value:.3f}" for rate, value in curve(entry["rows"], model)}
            about = {"split": sent["split"], "method": entry["method"], "lost": model}
            sizes = {"bytes": f"{sent['payload_bytes']:.0f}", "packets": f"{sent['packets']:.1f}"}
            lines.append({**about, **sizes, **values})
    return markdown(lines)


def draw(finished: Sequence[dict[str, Any]], path: Path) -> None:
    """A row of panels for each split: independent losses, bursts, packets that arrive one by one."""
    splits = list(dict.fromkeys(entry["rows"][0]["split"] for entry in finished))
    panels = {
        "packets": "packets lost, one by one (%)",
        "bursts": "packets lost, in bursts (%)",
        "arriving": "packets that have arrived",
    }
    figure = Figure(figsize=(11, 3.4 * len(splits) + 0.8), layout="constrained")
    axes = figure.subplots(len(splits), 3, sharey="row", squeeze=False)
    for entry in finished:
        row = axes[splits.index(entry["rows"][0]["split"])]
        for panel, model in zip(row, panels, strict=True):
            if model != "arriving" or METHODS[entry["method"]].sent == 1:
                x, y = np.array(curve(entry["rows"], model)).T
                colour = f"C{list(METHODS).index(entry['method'])}"
                panel.plot(
                    x if model == "arriving" else 100 * x,
                    100 * y,
                    color=colour,
                    marker="o",
                    markersize=4,
                    label=entry["method"],
                )
    for row, split in zip(axes, splits, strict=True):
        for panel, title in zip(row, panels.values(), strict=True):
            panel.set_xlabel(title)
            panel.grid(alpha=0.3)
        row[-1].xaxis.get_major_locator().set_params(integer=True)
        row[0].set_ylabel(f"accuracy at {split} (%)")
    axes[0][0].legend(fontsize="small")
    sentence = (
        "About the same bytes for every method. Right: a payload's first packets; no copies, no parity."
    )
    save(figure, sentence, path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, print the table, draw the picture."""
    options = parser(__doc__)
    options.add_argument("rows", type=Path)
    options.add_argument("picture", type=Path)
    options.add_argument("overrides", nargs="*", help="of bottleneck train")
    options.add_argument("--bytes", type=float, default=120, help="that are sent, everything counted")
    options.add_argument("--mtu", type=int, default=24, help="bytes of a packet")
    options.add_argument("--methods", default=",".join(METHODS), help="that are trained, with commas")
    given = options.parse_intermixed_args(arguments)
    about = {"bytes": given.bytes, "mtu": given.mtu, "overrides": given.overrides}
    finished = (
        [json.loads(line) for line in given.rows.read_text().splitlines()] if given.rows.exists() else []
    )
    for name in given.methods.split(","):
        if not any(entry["method"] == name and entry["about"] == about for entry in finished):
            rows = run(METHODS[name], given.bytes, given.mtu, given.overrides)
            finished.append({"method": name, "about": about, "rows": rows})
            with given.rows.open("a") as file:
                file.write(json.dumps(finished[-1]) + "\n")
    print(summary(finished))
    draw(finished, given.picture)


if __name__ == "__main__":
    main()
