"""Payloads without sessions: what an engine with replicas holds answers as the bundle's own side does."""

import json
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from bottleneck.deploy import load
from bottleneck.runtime.answers import answer_of
from bottleneck.runtime.messages import Reason
from bottleneck.runtime.serving.stateless import Stateless
from bottleneck.runtime.serving.tails import Tails

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "replicas.md"


@pytest.fixture(scope="module")
def stateless(frontier, digits_network):
    """What a replica holds."""
    return Stateless(frontier, digits_network)


def is_same(answer, output):
    """Whether an answer is what a server's output says, but for the order in which a batch is summed."""
    wanted = answer_of(output.numpy(), "classification")["top"]
    scores = {top["class"]: top["score"] for top in answer["top"]}
    return all(np.isclose(scores[top["class"]], top["score"], atol=1e-5) for top in wanted)


def test_a_batch_of_all_points_is_answered_as_the_server_does(
    stateless, frontier, digits_network, digits_images
):
    """Payloads of every point, mixed, have the answers that they have alone, in their order."""
    device, server = load(frontier, digits_network)
    payloads = [device(image, point=index % 3) for index, image in enumerate(digits_images[:9])]
    outcomes = stateless(payloads)
    assert len(outcomes) == 9
    assert all(
        is_same(outcome.answer, server(payload)) for outcome, payload in zip(outcomes, payloads, strict=True)
    )


def test_one_wrong_payload_touches_no_other(stateless, frontier, digits_network, digits_images):
    """What is no payload is refused with the sentence that the server raises, and its neighbours answered."""
    device, server = load(frontier, digits_network)
    good = device(digits_images[0])
    wrong = [b"", b"\x09abc", good[:1]]
    first, *refused, last = stateless([good, *wrong, good])
    assert first.answer == last.answer
    assert is_same(first.answer, server(good))
    for payload, outcome in zip(wrong, refused, strict=True):
        with pytest.raises(ValueError) as raised:  # noqa: PT011 - the text is compared below
            server(payload)
        assert outcome.refusal[1] == str(raised.value)
        assert outcome.refusal[0] in (Reason.UNKNOWN_POINT, Reason.PAYLOAD)


def test_a_bundle_alone_has_payloads_without_a_point(frontier, digits_network, digits_images):
    """A bundle's own folder is answered from what its device sends, to the byte."""
    device, server = load(frontier / "point-01", digits_network)
    payload = device(digits_images[0])
    (outcome,) = Stateless(frontier / "point-01", digits_network)([payload])
    assert is_same(outcome.answer, server(payload))


def test_no_payloads_have_no_outcomes(stateless):
    """An empty batch is none."""
    assert stateless([]) == []


def test_no_request_waits_for_a_point_to_be_loaded(monkeypatch, frontier, digits_network, digits_images):
    """All points are loaded at the start, and none leaves."""
    stateless, device = Stateless(frontier, digits_network), load(frontier, digits_network)[0]
    monkeypatch.delattr(Tails, "_load")
    outcomes = stateless([device(digits_images[0], point=point) for point in range(3)])
    assert [outcome.refusal for outcome in outcomes] == [None] * 3


def test_a_codec_that_remembers_is_refused(written, digits_network):
    """The sentence says why, and what serves it."""
    folder = written(("layer2", 0.05, "stream", {"key_every": 10}))
    with pytest.raises(ValueError, match=r"'stream' remembers .* another replica\. Serve it with engine=own"):
        Stateless(folder, digits_network)


class Tensor:
    """What the recipe knows of Triton's tensors."""

    def __init__(self, name, array):
        self.name, self._array = name, array

    def as_numpy(self):
        """The array."""
        return self._array


@pytest.fixture
def triton(monkeypatch, frontier):
    """The recipe's model, on as much of Triton's module as it uses: no more than our half is tested."""
    module = types.ModuleType("triton_python_backend_utils")
    module.Tensor = Tensor
    module.TritonError = str
    module.InferenceResponse = lambda tensors, error=None: error or tensors[0].as_numpy()
    module.get_input_tensor_by_name = lambda request, name: Tensor(name, request)
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", module)
    (code,) = re.findall(r"```py\n(import json\nfrom pathlib.*?)```", GUIDE.read_text(), re.S)
    names = {}
    exec(code, names)
    model = names["TritonPythonModel"]()
    parameters = {"parameters": {"frontier": {"string_value": str(frontier)}}}
    model.initialize({"model_config": json.dumps(parameters), "model_instance_kind": "CPU"})
    return model


def test_the_recipe_for_triton_answers_each_request(triton, frontier, digits_network, digits_images):
    """Requests of one payload and of several have their own answers, and a wrong payload its sentence."""
    device, server = load(frontier, digits_network)
    payloads = [device(image) for image in digits_images[:3]]
    requests = [payloads[:1], [b"\x09abc"], payloads[1:]]
    first, wrong, last = triton.execute(
        [np.array([[one] for one in batch], np.object_) for batch in requests]
    )
    assert wrong == "The payload names point 9; this frontier has [0, 1, 2]."
    assert last.shape == (2, 1)
    for payload, answer in zip(payloads, [*first.flat, *last.flat], strict=True):
        assert is_same(json.loads(answer), server(payload))
