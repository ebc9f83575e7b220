"""The search: an Optuna study over operating points that ends in a frontier that runs.

    python -m bottleneck.search                       # embedded digits, minutes on a laptop
    python -m bottleneck.search study.n_trials=64     # the same study, continued
    python -m bottleneck.search study.n_trials=0      # only write the frontier of what is there

`space.py` draws points, `samplers.py` and `storage.py` are what Optuna needs to be told, `leases.py` notices
dead workers, `trials.py` trains and measures one point, `frontiers.py` writes what the study found.
"""
