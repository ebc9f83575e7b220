"""A bundle whose payload is packets: the server answers from any beginning that ends with one."""

import numpy as np
import pytest
import torch

import bottleneck
from bottleneck import codecs
from bottleneck.codecs.packets.framing import each
from bottleneck.deploy.bundle import Bundle


def test_a_payload_is_served_while_it_arrives(bundle_folder, digits_network, digits_images):
    """At the end of each packet there is an answer, the last is the whole payload's; within one is none."""
    bundle = Bundle.read(bundle_folder)
    bundle.codec = codecs.create("packets", bundle.codec.shape, codec="range", mtu=24).fit(
        [np.zeros(bundle.codec.shape, np.int32)]
    )
    bundle.save(bundle_folder)
    device, server = bottleneck.load(bundle_folder, digits_network)
    payload = device(digits_images[0])
    packets = list(each(payload))
    assert len(packets) > 2
    ends = np.cumsum([len(packet) for packet in packets])
    answers = [server(payload[:end]) for end in ends]
    assert all(answer.shape == (1, 10) for answer in answers)
    assert not torch.equal(answers[0], answers[-1])
    assert torch.equal(answers[-1], server(payload))
    with pytest.raises(ValueError, match="ends within a packet"):
        server(payload[: ends[1] - 1])
