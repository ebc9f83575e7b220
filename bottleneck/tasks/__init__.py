"""Tasks: what the network is for, hence the loss that trains a bottleneck and the metric that judges it."""

from bottleneck.tasks.base import Metrics, Task
from bottleneck.tasks.classification import Classification
from bottleneck.tasks.detection import Detection
from bottleneck.tasks.segmentation import Segmentation
from bottleneck.tasks.single_stage import SingleStage

__all__ = ["Classification", "Detection", "Metrics", "Segmentation", "SingleStage", "Task"]
