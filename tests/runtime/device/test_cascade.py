"""Where the server is not sure, the picture follows."""

import pytest

from bottleneck.runtime.device.cascade import Cascade
from bottleneck.runtime.device.client import Client
from bottleneck.runtime.device.connection import RefusedError
from bottleneck.runtime.device.routes import Fixed
from bottleneck.runtime.device.torch_half import TorchHalf

PATIENCE = 30.0  # seconds: a busy machine is no dead link
PNG = {"name": "png"}


def told(score):
    return {"top": [{"class": 3, "score": score}]}


@pytest.fixture
def client(serve, half):
    """A client with a cascade: `client(sure)`."""
    _, port = serve()

    def made(sure, codec=PNG):
        return Client(f"127.0.0.1:{port}", half, cascade=Cascade(sure, codec), timeout=PATIENCE)

    return made


def test_unsure_answers_are_those_to_the_picture(client, half, digits_images):
    """Each frame ends with the whole network's answer, both payloads counted, by its strategy's name."""
    picture = Fixed("png", "input", codec=PNG)
    with client(1.0) as device:
        for image in digits_images[:4]:
            record = device.ask(image)
            sent = [half.payload(image, half.routes[0]), half.payload(image, picture)]
            assert record.asked_again
            assert record.bytes == sum(1 + len(payload) for payload in sent)
            assert (record.strategy, record.split) == (half.routes[0].name, half.routes[0].split)
            ours = half.alone(image)["top"]
            assert record.answer["top"][0]["score"] == pytest.approx(ours[0]["score"], abs=1e-4)
            assert record.age_ms >= record.device_ms + record.server_ms > 0


def test_sure_answers_cost_what_they_cost(client, half, digits_images):
    """Below any probability nothing is asked for."""
    with client(1e-6) as device:
        record = device.ask(digits_images[0])
    assert not record.asked_again
    assert record.bytes == 1 + len(half.payload(digits_images[0], half.routes[0]))


def test_every_offered_frame_still_ends_once(client, digits_images):
    """Offered faster than pictures could be sent, each frame is answered once, or dropped with a reason."""
    with client(1.0) as device:
        for index in range(200):
            device.offer(digits_images[index % 40])
        device.settle()
        records = device.finished()
    assert sorted(record.id for record in records) == list(range(200))
    assert all((record.answer is None) == record.dropped for record in records)
    assert any(record.asked_again for record in records)


class Spoils(TorchHalf):
    """A half whose pictures are none."""

    def payload(self, image, route):
        return b"no picture" if route.codec else super().payload(image, route)


def test_an_answer_that_is_not_sure_is_better_than_none(serve, frontier, digits_network, digits_images):
    """Where the server refuses the picture, the first answer stands, and what was sent is counted."""
    _, port = serve()
    half = Spoils([frontier], digits_network)
    with Client(f"127.0.0.1:{port}", half, cascade=Cascade(1.0, PNG), timeout=PATIENCE) as device:
        record = device.ask(digits_images[0])
    assert not record.asked_again
    assert not record.dropped
    assert record.strategy == half.routes[0].name
    assert record.answer["top"]
    assert record.bytes == 2 + len(half.payload(digits_images[0], half.routes[0])) + len(b"no picture")


def test_a_codec_that_the_server_has_not_is_refused(client):
    """At once, and not with the first frame that is unsure."""
    with pytest.raises(RefusedError, match="jpog"):
        client(0.5, {"name": "jpog"})


@pytest.mark.parametrize(("answer", "asked"), [(told(0.79), True), (told(0.8), False), ({"mask": ""}, False)])
def test_probabilities_decide(answer, asked):
    """Below `sure` is not sure; what has no probability of the whole is never asked about again."""
    cascade = Cascade(0.8, PNG)
    assert cascade.asks(Fixed("layer2-0", "layer2", 0), answer) == asked
    assert not cascade.asks(cascade.route, answer)


@pytest.mark.parametrize("sure", [0.0, -1.0, 1.5, float("nan")])
def test_sure_is_a_probability(sure):
    """Anything else is refused by its key."""
    with pytest.raises(ValueError, match=r"cascade\.sure="):
        Cascade(sure, PNG)
