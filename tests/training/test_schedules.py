"""Learning-rate schedules."""

from functools import partial

import pytest
import torch

from bottleneck.training.schedules import cosine, one_cycle, steps


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


@pytest.mark.parametrize("schedule", [one_cycle, cosine, partial(steps, milestones=[0.25, 0.75])])
def test_a_resumed_training_may_be_longer(schedule):
    """The rate is what it would be at that step of the longer training, also behind an end at zero."""

    def rates(total, begin, end, state=None, lr=None):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        made = schedule(optimizer, total_steps=total)
        if state is not None:  # as Lightning resumes
            made.load_state_dict(state)
            optimizer.param_groups[0]["lr"] = lr
        found = []
        for _ in range(begin, end):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            made.step()
        return found, made.state_dict(), optimizer.param_groups[0]["lr"]

    _, state, lr = rates(20, 0, 19)
    whole, _, _ = rates(40, 0, 39)
    resumed, _, _ = rates(40, 19, 39, state, lr)
    assert resumed[1:] == pytest.approx(whole[20:])  # the step behind the checkpoint has the old rate


@pytest.mark.parametrize("floor", [float("nan"), -1, float("inf"), "low"])
def test_a_floor_that_is_no_rate_is_refused(floor):
    """By the key, before a step is taken."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    with pytest.raises(ValueError, match=f"scheduler.floor={floor} is no learning rate"):
        cosine(optimizer, total_steps=10, floor=floor)
