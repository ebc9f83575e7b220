"""Every script of benchmarks/, run as its command runs it, at its smallest."""

import importlib
import json
import math
import re
import statistics
import subprocess
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from bottleneck import codecs, models
from bottleneck.data import DetectionCoco, DetectionScenes, SemanticScenes
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.frontier import Point, read_bundles, write_frontier
from bottleneck.deploy.places import found
from bottleneck.identity import weights_identity
from bottleneck.models.embedded import EMBEDDED
from bottleneck.runtime.link import Link
from bottleneck.runtime.plan import Plan, read_strategies
from bottleneck.runtime.policies import Policy
from bottleneck.runtime.strategy import Spread, Strategy
from bottleneck.splitting import split
from bottleneck.unit import unit_class

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning"
)  # Lightning's advice is not ours to follow here

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "benchmarks" / "data"
FEW = ("device=cpu", "trainer.max_epochs=2", "data.train_limit=120", "data.val_limit=40", "suite=features")


@pytest.fixture
def run(capsys, digits_network, tmp_path, monkeypatch):
    """Runs a script's main in this process, with the digits network at hand, and returns what it prints.

    It has a folder of its own to stand in, and may leave nothing there.
    """
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def start(name, *arguments):
        capsys.readouterr()
        importlib.import_module(f"benchmarks.{name}").main([str(argument) for argument in arguments])
        assert not list(here.iterdir())
        return capsys.readouterr().out

    return start


@pytest.fixture
def weights(tmp_path):
    """Writes weights of an embedded network that was never trained: all wrong, but there at once."""

    def write(name):
        torch.manual_seed(0)
        path = tmp_path / f"{name}.safetensors"
        save_file(EMBEDDED[name]().network.state_dict(), path)
        return path

    return write


def tables(text):
    """The Markdown tables of a text, each a list of dictionaries."""
    found = []
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        cells = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in block.splitlines()]
        header, _, *lines = cells
        found.append([dict(zip(header, line, strict=True)) for line in lines])
    return found


def in_results(text):
    """Whether every line of a table stands in results.md, whatever the padding."""

    def plain(line):
        return re.sub(r"\s+", "", line)

    known = {plain(line) for line in (ROOT / "benchmarks" / "results.md").read_text().splitlines()}
    lines = [plain(line) for line in text.splitlines() if line.startswith("|") and not line.startswith("|-")]
    return len(lines) > 2 and not [line for line in lines if line not in known]


def is_picture(path):
    return Image.open(path).size[0] > 300


def test_every_script_is_run_here():
    """A script without a test would go stale in silence; some have a file of their own."""
    elsewhere = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - {"shared", *elsewhere}
    assert scripts == set(re.findall(r'run\(\s*"(\w+)"', Path(__file__).read_text()))


def test_codecs(run):
    """All twenty lines have a finite ratio, and Huffman's payload is dahuffman's to the byte."""
    (rows,) = tables(run("codecs", "--repeats", 3, "--channels", 128))
    assert len(rows) == 20
    assert all(0 < float(row["ratio"].rstrip("x")) < math.inf for row in rows)
    huffman = [row for row in rows if row["codec"].startswith("huffman")]
    assert all(row["reference"] == f"dahuffman, {row['payload B']} B" for row in huffman)


@pytest.mark.slow
@pytest.mark.parametrize(("case", "side"), [("deeplab", 65), ("faster_rcnn", 64)])
def test_full_size(run, case, side):
    """Each stage is timed, both codecs make bytes, and the server answers from the payload."""
    text = run("full_size", case, "--side", side)
    for stage in ("trace and split", "training step", "load both sides", "server: payload to answer"):
        assert float(re.search(rf"^{stage} +([\d.]+) s,", text, re.MULTILINE).group(1)) >= 0
    affine, ours = (int(size.replace(",", "")) for size in re.findall(r"([\d,]+) bytes of payload", text))
    assert 0 < ours < affine
    assert "answer (1, 65, 65)" in text or "boxes" in text


@pytest.mark.slow
def test_control(run, tmp_path):
    """The table has a line for each kind of link, the rows one for each seed, and the plan is drawn."""
    printed = run("control", "--rows", tmp_path / "rows.jsonl", "--picture", tmp_path / "plan.png")
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    links = {row["trace"] for row in rows}
    assert len(rows) == 5 * len(links)
    assert all(f"| {link} " in printed for link in links)
    assert (tmp_path / "plan.png").stat().st_size > 20_000


def test_control_on_recorded_traces(run, tmp_path):
    """Files take the place of what is made up, and are run to their ends; what is none is named."""
    tram, short = tmp_path / "tram.csv", tmp_path / "short.csv"
    tram.write_text("seconds,bandwidth\n0,5e6\n150,5e4\n300,5e4\n")
    short.write_text("seconds,bandwidth\n0,5e6\n")
    rows = tmp_path / "rows.jsonl"
    (table,) = tables(run("control", "--trace", tram, short, "--rows", rows))
    assert [row["link"] for row in table] == [str(tram), str(short)]
    found = [json.loads(line) for line in rows.read_text().splitlines()]
    switches = {row["trace"]: row["oracle_switches"] for row in found}
    assert switches == {str(tram): 1, str(short): 0}  # from a picture to the device, behind the two minutes
    tram.write_text("0,5e6\n")
    with pytest.raises(ValueError, match=r"tram\.csv is no trace"):
        run("control", "--trace", tram)


def test_devices(run, tmp_path):
    """A slow device on a fast link sends a picture; on a thin one it splits, and a fast device finishes."""
    strategies = [  # milliseconds on the device, bytes, milliseconds on the server
        Strategy("device", None, Spread([50]), Spread([0]), Spread([0]), 0.99),
        Strategy("jpeg", "input", Spread([1]), Spread([20_000]), Spread([50]), 0.99, codec={"name": "jpeg"}),
        Strategy("early", "layer1", Spread([15]), Spread([500]), Spread([40]), 0.98),
        Strategy("poor", "layer1", Spread([1]), Spread([5]), Spread([1]), 0.5),
    ]
    path = tmp_path / "plan.json"
    Plan(strategies, Link(1e6), Policy(), "accuracy_top1").write(path)
    rows, gains = tables(run("devices", path))
    fastest = {(row["device"], row["link"].split(",")[0]): row["fastest"] for row in rows}
    assert fastest["a core of this machine", "10 kbit/s"] == "finish on the device"
    assert fastest["20 times slower", "50 Mbit/s"] == "send a picture"
    assert fastest["20 times slower", "40 kbit/s"] == "split"
    assert "poor" not in str(rows)
    best_alone, worst_alone = map(float, gains[0]["against the device alone"].split(" / "))
    assert 1 <= best_alone <= worst_alone < 1.1  # a fast device finishes by itself nearly everywhere
    assert all(float(row["against the best picture"].split(" / ")[1]) > 5 for row in gains)
    assert float(gains[2]["energy, against the device alone"].split(" / ")[0]) > 2
    _, gains = tables(run("devices", path, "--tail", 12.3))  # more than the slowest device computes for
    assert {row["energy, against the device alone"] for row in gains} == {"1.00 / 1.0"}
    rows, gains = tables(run("devices", path, "--drop", 0.001))
    assert {row["split"] for row in rows} == {"none within the drop"}
    assert {row["fastest"] for row in rows} == {"finish on the device", "send a picture"}


@pytest.mark.slow
def test_detection(run, weights, tmp_path):
    """Rows say what they are: the frozen network and the suite once, each unit through each of its codecs."""
    out = tmp_path / "scenes.jsonl"
    few = (
        "data.train_scenes=12",
        "data.val_scenes=4",
        "trainer.max_epochs=1",
        "+trainer.limit_val_batches=0",
    )
    overrides = ("device=cpu", f"model.weights={weights('scenes_detector')}", *few)
    text = run("detection", out, *overrides, "--slim", 3, "--depthwise", 4)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    trained = [(row["method"], row["family"], row["setting"]) for row in rows if row["kind"] == "trained"]
    assert trained == [
        ("depthwise-4-range", "depthwise-range", "4"),
        ("slim-3-affine", "slim-affine", "3"),
        ("slim-3-range", "slim-range", "3"),
    ]
    assert [row["method"] for row in rows if row["kind"] == "frozen"] == ["frozen"]
    assert sum(row["family"] == "rle" for row in rows) == 4
    assert all(
        row["train_seconds"] > 0 and row["payload_bytes"] > 0 for row in rows if row["kind"] == "trained"
    )
    assert len(tables(text)[0]) == len(rows)
    assert run("detection", out, "--table") == text[text.index("| method") :]


@pytest.mark.slow
def test_full_disk(run, tmp_path):
    """A search on a disk that is full now and then ends as one on a disk that is not."""
    probe = tmp_path / "probe"
    probe.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "none", probe], check=False, capture_output=True).returncode:
        pytest.skip("this user may not mount a disk of memory")
    subprocess.run(["umount", probe], check=True)
    said = run("full_disk", "--trials", 2, "--step", 60, "--folder", tmp_path / "studies")
    assert int(said.rpartition(" times full")[0].split()[-1]) > 0
    assert "'finished': 2" in said


@pytest.mark.slow
def test_killed_runs(run, tmp_path):
    """Exports that were killed, and one that then ended, leave what an undisturbed one writes."""
    said = run("killed_runs", "--of", "export", "--kills", 2, "--folder", tmp_path / "runs")
    assert re.match(r"2 kills of export in \d+ s, [1-9]\d* ended, 0 of them unequal", said)


def test_payloads(run, tmp_path):
    """What this machine wrote it makes and reads alike; another codec's payload it does not."""
    run("payloads", "write", tmp_path / "a.json")
    said = run("payloads", "check", tmp_path / "a.json").splitlines()[1:]
    assert {line.split()[0] for line in said} >= {"range", "context", "packets", "rle"}
    assert all("4 of 4 payloads made alike, 4 read alike" in line for line in said)
    entries = json.loads((tmp_path / "a.json").read_text())
    entries[0]["rows"][0].update(payload=entries[0]["rows"][1]["payload"])
    (tmp_path / "a.json").write_text(json.dumps(entries))
    assert "3 of 4 payloads made alike, 3 read alike" in run("payloads", "check", tmp_path / "a.json")


@pytest.mark.slow
def test_kills(run, tmp_path):
    """A study whose workers are killed now and then ends as one that nothing happened to."""
    said = run("kills", "--kills", 3, "--trials", 3, "--folder", tmp_path / "kills")
    assert "'finished': 3" in said
    assert "equal: {'finished': True, 'frontier': True}" in said


def test_headline(run, tmp_path):
    """Rows of trainings and of codecs make the table of results.md, and the picture; so do studies."""
    names = ("imagenette_pictures", "imagenette_headline", "imagenette_cascades")
    rows = [DATA / f"{name}.jsonl" for name in names]
    features = [DATA / "paper_late.jsonl", DATA / "paper_mid.jsonl"]
    assert in_results(run("headline", tmp_path / "a.png", *rows, "--features", *features))
    assert is_picture(tmp_path / "a.png")
    text = run("headline", tmp_path / "a.png", *rows, "--studies", DATA / "imagenette_late_study.jsonl")
    assert "study at _blocks.15" in text
    assert "bottleneck at _blocks.15" in text


def test_readme_has_the_numbers_of_its_picture(run, tmp_path):
    """Bytes of README's first table are those of the headline's, or a setting's mean behind it."""
    files = [DATA / f"imagenette_{name}.jsonl" for name in ("pictures", "headline", "cascades")]
    features = [DATA / "paper_late.jsonl", DATA / "paper_mid.jsonl"]
    printed = run("headline", tmp_path / "a.png", *files, "--features", *features)
    measured = [float(number.replace(",", "")) for number in re.findall(r"[\d,]+\.\d", printed)]
    settings = defaultdict(list)
    for row in (json.loads(line) for file in files for line in file.read_text().splitlines()):
        settings[row["split"], row["setting"]].append(row["payload_bytes"] or 0.0)
    measured += [statistics.mean(sizes) for sizes in settings.values()]
    known = {f"{size:,.{digits}f}" for size in measured for digits in (0, 1)}
    table = re.search(
        r"\| EfficientNet-Lite0, cut at .*?\n\n", (ROOT / "README.md").read_text(), re.S
    ).group()
    told = re.findall(r"[\d,.]*\d", " ".join(line.split("|")[-2] for line in table.splitlines()[2:-1]))
    assert len(told) > 15
    assert set(told) <= known


@pytest.mark.slow
def test_latency(run, digits_bundle, tmp_path):
    """The device's half gives the same answers and bytes in eager PyTorch and in ONNX Runtime."""
    rows_file = tmp_path / "rows.jsonl"
    sizes = ("--images", 20, "--timed", 4, "--calibration", 8)
    runtimes = ("--runtimes", "eager", "onnx", "onnx-int8")
    text = run("latency", digits_bundle, "--rows", rows_file, *sizes, *runtimes)
    rows = [json.loads(line) for line in rows_file.read_text().splitlines()]
    ways = {(row["way"], row["runtime"]): row for row in rows}
    assert len(ways) == 3 + 3 + 4
    assert all(row["ms"] > 0 and row["n"] == 20 for row in rows)
    assert ways["whole network", "onnx"]["value"] >= 0.9
    eager, onnx = ways["split", "eager"], ways["split", "onnx"]
    assert eager["value"] == onnx["value"]
    assert eager["payload_bytes"] == pytest.approx(onnx["payload_bytes"], rel=0.02)
    assert [row["runtime"] for row in tables(text)[1]] == ["eager", "onnx", "onnx-int8"]


@pytest.mark.slow
def test_paper(run, tmp_path):
    """The rows of five evaluations still make the table of results.md, and the picture."""
    files = [DATA / f"paper_{place}.jsonl" for place in ("late", "mid", "relu6", "early", "input")]
    assert in_results(run("paper", tmp_path / "a.png", *files))
    assert is_picture(tmp_path / "a.png")


def test_paper_names_few_methods():
    """Eight methods have a name, among them the one that needs the fewest bytes at each split point."""
    paper = importlib.import_module("benchmarks.paper")
    places = paper.by_place([DATA / f"paper_{place}.jsonl" for place in ("late", "early", "input")])
    names = paper.named(places)
    assert len(names) == len(set(names)) == 8
    assert {"bundle", "tiled-jpeg", "hevc"} <= set(names)


def test_study_picture(run, tmp_path):
    """The trials of an earlier study make a picture, beside codecs at its cut."""
    files = DATA / "digits_study.jsonl", DATA / "digits.jsonl"
    run("study_picture", *files, tmp_path / "a.png")
    assert is_picture(tmp_path / "a.png")


@pytest.mark.slow
def test_pruning(run):
    """Two studies from one seed: the same number of trials, and where none was stopped the same frontier."""
    (rows,) = tables(run("pruning", *FEW, "study.n_trials=2", "space.step=[0.1, 0.5]"))
    assert [row["pruning"] for row in rows] == ["with", "without"]
    assert all(int(row["finished"]) + int(row["stopped"]) == 2 for row in rows)
    assert rows[1]["stopped"] == "0"
    assert all(float(row["hypervolume"]) > 0 for row in rows)


def test_run_lengths(run, tmp_path):
    """The rows of one evaluation make eight settings under the frozen network, and the picture."""
    (rows,) = tables(run("run_lengths", DATA / "scenes_run_lengths.jsonl", tmp_path / "a.png"))
    assert [row["method"] for row in rows] == ["frozen", *(f"rle-{bits}" for bits in range(1, 9))]
    assert rows[2] == {
        "method": "rle-2",
        "map": "0.749",
        "map50": "0.972",
        "mask_map": "0.455",
        "mask_map50": "0.966",
        "bytes": "2,305",
        "zeros": "87.2%",
    }
    assert is_picture(tmp_path / "a.png")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:QMCSampler is experimental")
def test_samplers(run, tmp_path):
    """Each sampler finishes its trials; the file has a line for each, and a second start repeats none."""
    (rows,) = tables(run("samplers", tmp_path, 1, *FEW, "study.n_trials=1", "space.step=[0.1, 0.5]"))
    assert [row["sampler"] for row in rows] == ["random", "qmc", "tpe"]
    lines = [json.loads(line) for line in (tmp_path / "samplers.jsonl").read_text().splitlines()]
    assert [line["sampler"] for line in lines] == ["random", "qmc", "tpe"]
    assert all(line["val"]["payload_bytes"] >= 0 and line["untrained_bpp"] > 0 for line in lines)
    assert is_picture(tmp_path / "samplers.png")


def test_samplers_of_earlier_studies(capsys, tmp_path):
    """The 480 trials of earlier studies still make the table of results.md."""
    lines = [json.loads(line) for line in (DATA / "samplers_digits.jsonl").read_text().splitlines()]
    importlib.import_module("benchmarks.samplers").summarise(lines, tmp_path / "a.png")
    rows = capsys.readouterr().out.splitlines()[2:]
    assert in_results("\n".join(rows))


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("scenes", "kind", "at", "name"),
    [
        (SemanticScenes, "depthwise", "layer3", "scenes_segmenter"),
        (DetectionScenes, "slim", "layer1", "scenes_detector"),
    ],
)
def test_scenes_picture(run, weights, tmp_path, scenes, kind, at, name):
    """A bundle's payloads are drawn beside what is there and what the frozen network finds."""
    data = scenes()
    path = weights(name)
    network = models.create(name, str(path))
    images = torch.stack([data.subset("val")[n][0] for n in range(2)])
    made = unit_class(kind)
    net = split(network, at, images[:1], made.replaces).freeze()
    with torch.no_grad():
        given = net.head(images)
        replaced = {"replaced": net.at_cut(given)} if made.replaces else {}
        unit = made.from_features(given, "CHW", latent_channels=4, step=0.05, stride=1, **replaced).eval()
        codec = codecs.create("range", shape=unit.latent_shape).fit(unit.symbols(given).numpy())
    task = {"scenes_segmenter": "segmentation", "scenes_detector": "detection"}[name]
    where = {"model": {"name": name, "weights": str(path)}, "task": task}
    identity = weights_identity(network)
    Bundle(unit, codec, at, identity, data.image_shape, data.preprocessing, **where).save(tmp_path / "bundle")
    run("scenes_picture", tmp_path / "bundle", tmp_path / "a.png")
    assert is_picture(tmp_path / "a.png")
    assert np.asarray(Image.open(tmp_path / "a.png")).std() > 10


@pytest.mark.slow
def test_camera(run, tmp_path):
    """Frames without labels become a plan: every way agrees with the network alone as far as it does."""
    torch.manual_seed(0)
    model = models.create("yolox_nano", num_classes=3)
    weights = tmp_path / "yolox.safetensors"
    save_file(model.network.state_dict(), weights)
    images = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    net = split(model, "dark3", images[:1]).freeze()
    with torch.no_grad():
        given = net.head(images)
        unit = (
            unit_class("depthwise").from_features(given, "CHW", latent_channels=4, step=0.5, stride=2).eval()
        )
        codec = codecs.create("range", shape=unit.latent_shape).fit(unit.symbols(given).numpy())
    where = {"model": {"name": "yolox_nano", "num_classes": 3}, "task": "single_stage"}
    bundle = Bundle(unit, codec, "dark3", weights_identity(model), (3, 64, 64), {"letterbox": 64}, **where)
    bundle.save(tmp_path / "bundle")
    (tmp_path / "frames").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / "frames" / f"{number}.png")
    given = (tmp_path / "frames", tmp_path / "bundle", "--weights", weights, "--plan", tmp_path / "plan.json")
    (rows,) = tables(run("camera", *given))
    assert len(rows) == 1 + 8 + 1
    assert all((float(row["payload_bytes"]) > 0) == (row["name"] != "device") for row in rows)
    assert read_strategies(tmp_path / "plan.json")[0].value == float(rows[0]["value"])


@pytest.mark.slow
def test_loss(run, tmp_path):
    """Each method is trained once: a second start finds it in the file and prints the same table."""
    rows, picture = tmp_path / "rows.jsonl", tmp_path / "a.png"
    few = ("split=layer1", "--bytes", 240, "--mtu", 16, "--methods", "half parity,trained: prefix")
    text = run("loss", rows, picture, *FEW, *few)
    first, second = [json.loads(line) for line in rows.read_text().splitlines()]
    assert (first["method"], second["method"]) == ("half parity", "trained: prefix")
    arriving = [row for row in second["rows"] if (row["loss_model"] or "").startswith("first ")]
    assert arriving
    assert {row["lost"] for row in tables(text)[0]} == {"packets", "bursts"}
    assert is_picture(picture)
    assert run("loss", rows, picture, *FEW, *few) == text


def test_loss_of_earlier_runs(tmp_path):
    """The rows of earlier runs still make their table of results.md, and its picture."""
    loss = importlib.import_module("benchmarks.loss")
    finished = [json.loads(line) for line in (DATA / "loss_digits.jsonl").read_text().splitlines()]
    assert in_results(loss.summary(finished))
    loss.draw(finished, tmp_path / "a.png")
    assert is_picture(tmp_path / "a.png")


@pytest.mark.slow
def test_search(run, digits_network, tmp_path):
    """Both trials are one operating point, and every part of the profiled one took some time."""
    save_file(digits_network.network.state_dict(), tmp_path / "digits.safetensors")
    own = f"model.weights={tmp_path / 'digits.safetensors'}"
    trials, parts = tables(run("search", "device=cpu", "trainer.max_epochs=2", own))
    cached, live = trials
    assert (cached["trial"], live["trial"]) == ("cached", "no cache")
    assert (cached["value"], cached["bytes"]) == (live["value"], live["bytes"])
    assert len(parts) == 9
    assert not [row["part"] for row in parts if not float(row["share"].rstrip("%")) > 0]


def test_steps(run):
    """Five ways to take a step, each with the processor time that it took."""
    (rows,) = tables(run("steps", "--steps", 10, "data.batch_size=16"))
    assert len(rows) == 5
    assert float(rows[1]["process"]) > 0
    assert all(float(row["kernel"]) >= 0 for row in rows)


def test_summarise(run, tmp_path):
    """The rows of an earlier run still make their table of results.md."""
    (tmp_path / "results.jsonl").write_text((DATA / "digits.jsonl").read_text())
    assert in_results(run("summarise", tmp_path))


def test_summarise_averages_seeds(run, tmp_path):
    """Two seeds of one method are one line with their range; what does not depend on the seed stays."""
    frozen, row = [json.loads(line) for line in (DATA / "digits.jsonl").read_text().splitlines()[:2]]
    for seed, value in ((0, 0.9), (1, 0.8)):
        (tmp_path / str(seed)).mkdir()
        rows = [
            {**frozen, "seed": seed},
            {**row, "seed": seed, "value": value, "payload_bytes": 10 + 2 * seed},
        ]
        lines = "".join(json.dumps(line) + "\n" for line in rows)
        (tmp_path / str(seed) / "results.jsonl").write_text(lines)
    ((first, second),) = tables(run("summarise", tmp_path))
    assert (first["method"], first["seeds"], first["bytes"]) == ("frozen", "2", "")
    assert (second["accuracy_top1"], second["bytes"]) == ("0.8500 [0.8000, 0.9000]", "11.0")


def test_switching(run, digits_bundle, tmp_path):
    """A frontier of two points: what each holds beside the network, and what switching costs."""
    points = [Point(number, f"point-0{number}", 0.5 + number, 4.0 + number, 0.9) for number in range(2)]
    bundle = Bundle.read(digits_bundle)
    for point in points:
        next(bundle.unit.parameters()).data.add_(1)  # equal weights would be one file, of neither
        bundle.save(tmp_path / point.bundle)
    write_frontier(tmp_path, points, {})
    text = run("switching", tmp_path, "--repeats", 2)
    (rows,) = tables(text)
    assert [row["point"] for row in rows] == ["0", "1"]
    assert all(int(row["bundle B on disk"]) > int(row["unit B"]) > 0 for row in rows)
    assert len(re.findall(r"[1-9]\d* us$", text, re.MULTILINE)) == 2


def test_throughput(run):
    """At each split point every codec has bytes and times, the references' among them."""
    small = ("--splits", "layer2", "layer1", "--fitted", 4, "--repeats", 1)
    found = tables(run("throughput", "suite=features", *small))
    assert len(found) == 2
    for rows in found:
        assert {"dahuffman", "zlib-6 of bytes", "huffman", "range", "rle-2"} <= {row["codec"] for row in rows}
        assert all(float(row["bits/element"]) > 0 and float(row["encode ms"]) >= 0 for row in rows)


@pytest.mark.slow
def test_variants(run, tmp_path):
    """Each variant is trained once: the second start finds all runs in the file and prints the same table."""
    rows = tmp_path / "rows.jsonl"
    few = ("--variants", "plain,depthwise", "--alphas", "3", "--seeds", "0", "--bytes", 5)
    text = run("variants", "units", rows, *FEW, *few)
    runs = [json.loads(line) for line in rows.read_text().splitlines()]
    assert [entry["variant"] for entry in runs] == ["plain", "depthwise"]
    assert all(entry["row"]["kind"] == "trained" and entry["row"]["encoder_macs"] > 0 for entry in runs)
    assert {row["variant"] for row in tables(text)[0]} == {"plain", "depthwise"}
    assert run("variants", "units", rows, *FEW, *few) == text[text.index("| variant") :]


def test_variants_of_earlier_runs():
    """The rows of earlier runs still make the numbers of results.md."""
    variants = importlib.import_module("benchmarks.variants")
    ((*rows,),) = tables(variants.summary(variants.finished(DATA / "units_late.jsonl"), 30))
    found = {row["variant"]: row["top-1 at 30 bytes"] for row in rows}
    assert found == {"plain": "0.9732", "depthwise": "0.9694", "residual-2": "0.9710"}


def test_coverage(run, tmp_path):
    """A network of torchvision is cut where three cuts are useful, and both halves compute what it does."""
    (rows,) = tables(
        run("coverage", "torchvision", "--only=squeezenet1_1", "--rows", tmp_path / "rows.jsonl")
    )
    (row,) = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert "squeezenet1_1" in json.dumps(rows)
    assert row["useful"] >= 3
    assert row["worst"] < 1e-5


def test_embedded_networks_are_trained_into_files_that_the_package_reads(run, tmp_path):
    """One epoch makes weights in half precision that `models.create` takes."""
    printed = run("embedded", "digits_resnet", "--epochs", 1, "--folder", tmp_path)
    path = tmp_path / "digits_resnet.safetensors"
    assert f"{path}: {path.stat().st_size:,} bytes" in printed
    assert models.create("digits_resnet", str(path)).network.fc.weight.abs().sum() > 0


def test_startup_measures_every_command(run, monkeypatch):
    """Each command has its line, with its seconds beside what it may take; one past that is an exit code."""
    startup = importlib.import_module("benchmarks.startup")
    monkeypatch.setattr(startup, "COMMANDS", {("trian",): 1.0})
    (line,) = tables(run("startup", "--repeats", 1))[0]
    assert line["command"] == "`bottleneck trian`"
    assert 0 < float(line["seconds"]) < float(line["at most"])
    monkeypatch.setattr(startup, "COMMANDS", {("trian",): 0.0})
    with pytest.raises(SystemExit, match="too slow: `bottleneck trian`"):
        run("startup", "--repeats", 1)


@pytest.mark.slow  # EfficientNet and two video coders
def test_streams(run, tmp_path):
    """On a pan by whole strides exact methods agree alike and motion takes the fewest bytes; a strip."""
    pytest.importorskip("efficientnet_lite_pytorch", reason="extra `efficientnet` is not installed")
    pytest.importorskip("av", reason="extra `codecs` is not installed")
    folder = tmp_path / "imagenette" / "val" / "n01440764"
    folder.mkdir(parents=True)
    for number in range(2):
        coarse = np.random.default_rng(number).integers(0, 256, (28, 28, 3), np.uint8)
        Image.fromarray(coarse).resize((224, 224)).save(folder / f"{number}.JPEG")
    rows, picture = tmp_path / "rows.jsonl", tmp_path / "strip.png"
    run("streams", tmp_path, rows, "--streams", "pan-16-deep", "--frames", 7)
    run("stream_strip", tmp_path, "pan-16-deep", picture, "--frames", 7)
    found = {(row["method"], row["setting"]): row for row in map(json.loads, rows.read_text().splitlines())}
    exact = [found[method, "32"] for method in ("intra", "difference", "conditional", "motion")]
    assert len({row["agreement"] for row in exact}) == 1
    assert exact[3]["payload_bytes"] < min(row["payload_bytes"] for row in exact[:3])
    assert found["h264", "crf 38"]["payload_bytes"] < found["h264", "crf 20"]["payload_bytes"]
    assert is_picture(picture)


@pytest.mark.slow
def test_runtime(run, tmp_path):
    """Every message returns, devices are answered, an overload is offered more, and all rows are written."""
    pytest.importorskip("grpc", reason="extra `runtime` is not installed")
    few = ("--devices", 2, "--seconds", 1, "--count", 30)
    printed = run("runtime", found("zoo:digits/default"), *few, "--rows", tmp_path / "rows.jsonl")
    trips, results, (devices,) = tables(printed)
    assert [row["bytes"] for row in trips] == ["35", "500", "10000"]
    assert [row["payload"] for row in results] == ["41 B", "505 B", "9993 B"]
    assert all(0 < float(row["worker alone p50"]) < float(row["frame to result p50"]) for row in results)
    assert all(0 < float(row["socket p50"]) < float(row["gRPC p50"]) for row in trips)
    assert float(devices["answered/s"]) > 0
    assert float(devices["of batches of 8"].rstrip("%")) > 0
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    count = {row["table"]: sum(one["table"] == row["table"] for one in rows) for row in rows}
    assert count == {
        "round trips": 3,
        "frame to result": 3,
        "worker alone": 2,
        "devices": 1,
        "overload": 1,
    }
    one, batched = (row["frames_per_s"] for row in rows if row["table"] == "worker alone")
    (answered,) = (row for row in rows if row["table"] == "devices")
    assert answered["of_one_by_one"] * one == pytest.approx(answered["of_batches"] * batched)
    offered, answered = map(float, re.search(r"offer (\S+) frames/s: (\S+)\nare answered", printed).groups())
    assert 0 < answered < offered


@pytest.mark.slow
def test_soak(run):
    """Through a bad link every frame of every device is counted, and both processes are watched."""
    pytest.importorskip("grpc", reason="extra `runtime` is not installed")
    printed = run("soak", found("zoo:digits/default"), "--devices", 2, "--minutes", 0.1)
    memory, became = tables(printed)
    assert len(memory) == 10
    assert all(float(row["server MB"]) > 10 for row in memory)
    total = int(re.search(r"^(\d+) frames of 2 devices", printed, re.MULTILINE).group(1))
    assert sum(int(row["frames"]) for row in became) == total > 0


def test_zoo_makes_an_entry_of_a_runs_folder(run, digits_bundle, tmp_path):
    """The bundle is copied beside a card with the command that Hydra kept; without one it has to be said.

    Where the network's weights lay is nobody's business.
    """
    made = tmp_path / "run"
    bundle = Bundle.read(digits_bundle)
    bundle.model = {"name": "digits_resnet", "weights": "/home/me/digits.safetensors"}
    bundle.save(made / "bundle")
    about = ("digits/mine", made, "--data", "digits", "--licence", "MIT", "--folder", tmp_path / "zoo")
    with pytest.raises(FileNotFoundError, match="Give --command"):
        run("zoo", *about)
    (made / ".hydra").mkdir()
    (made / ".hydra" / "hydra.yaml").write_text(
        "hydra: {job: {config_name: train}, overrides: {task: [alpha=3, unit.step=1]}}"
    )
    assert "1 points" in run("zoo", *about)
    card = json.loads((tmp_path / "zoo" / "digits" / "mine" / "card.json").read_text())
    assert card == {"data": "digits", "licence": "MIT", "command": "bottleneck train alpha=3 unit.step=1"}
    entry = Bundle.read(tmp_path / "zoo" / "digits" / "mine")
    assert entry.id == bundle.id
    assert entry.model["weights"] == "digits.safetensors"


def test_zoo_leaves_out_points_that_others_beat(run, digits_bundle, tmp_path):
    """What is beaten on the validation images goes, with its bundle; the rest keeps its numbers and loads."""
    bundle, made = Bundle.read(digits_bundle), tmp_path / "study" / "frontier"
    bundle.model = {"name": "digits_resnet", "weights": "/home/me/digits.safetensors"}
    found_at = [(2.0, 0.7), (3.0, 0.9), (4.0, 0.8), (5.0, 0.9), (6.0, 0.95)]
    points = [
        Point(number, f"point-{number:02}", size / 8, size, value)
        for number, (size, value) in enumerate(found_at)
    ]
    for point in points:
        bundle.save(made / point.bundle)
    write_frontier(made, points, {"metric": "accuracy_top1"})
    zoo = tmp_path / "zoo"
    about = ("--data", "digits", "--licence", "MIT", "--command", "bottleneck search", "--folder", zoo)
    assert "3 points" in run("zoo", "digits/mine", tmp_path / "study", *about)
    kept, _ = read_bundles(zoo / "digits" / "mine")
    assert [point.id for point in kept] == [0, 1, 4]
    assert {folder.name for folder in (zoo / "digits" / "mine").glob("point-*")} == {p.bundle for p in kept}


def test_widened_adds_pictures_without_boxes(run, coco_folder, tmp_path):
    """The data set reads all of it: its own several times, four others as one, and the same to judge by."""
    for number in range(9):
        image = Image.fromarray(np.full((20, 30, 3), 10 * number, np.uint8))
        (tmp_path / "more" / str(number % 2)).mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / "more" / str(number % 2) / f"{number}.png")
    assert "2 of four in one" in run(
        "widened", coco_folder, tmp_path / "more", tmp_path / "wide", "--times", 3
    )
    folders = coco_folder, tmp_path / "wide"
    plain, wide = (DetectionCoco(folder, letterbox=64, holdout=0) for folder in folders)
    for data in (plain, wide):
        data.setup()
    assert wide.count("train") == 3 * plain.count("train") + 2
    assert wide.count("val") == plain.count("val")
    image, _ = wide.subset("train")[wide.count("train") - 1]
    assert image.shape == (3, 64, 64)
