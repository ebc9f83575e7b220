"""A bottleneck in anybody's LightningModule, as one callback.

Trainer(callbacks=[BottleneckPlugin(at="model.layer3", ...)]).fit(their_module, their_data)

their training_step ──► module `at` ──► Channel ──► the rest of their network ──► their loss
                                          │                                           │
                                        unit, codec             loss = rate + alpha · theirs
"""

from bottleneck.plugin.callback import BottleneckPlugin

__all__ = ["BottleneckPlugin"]
