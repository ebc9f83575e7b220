"""Tasks: what the network is for, hence the loss that trains a bottleneck and the metric that judges it."""

from bottleneck.tasks.classification import Classification

__all__ = ["Classification"]
