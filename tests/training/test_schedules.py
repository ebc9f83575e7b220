"""Learning-rate schedules."""

import torch

from bottleneck.training.schedules import steps


def test_steps_fall_at_their_shares_of_the_training():
    """The rate is a tenth behind the first milestone and a hundredth behind the second."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = steps(optimizer, 20, [0.25, 0.75])
    rates = []
    for _ in range(20):
        rates.append(round(optimizer.param_groups[0]["lr"], 6))
        optimizer.step()
        schedule.step()
    assert rates == [1.0] * 5 + [0.1] * 10 + [0.01] * 5
