"""The search: an Optuna study over operating points that ends in a frontier that runs.

    bottleneck search                       # embedded digits, minutes on a laptop
    bottleneck search study.n_trials=64     # the same study, continued
    bottleneck search study.n_trials=0      # only write the frontier of what is there

`study.py` asks and tells, `space.py` draws points, `samplers.py` and `storage.py` are what Optuna needs to
be told, `leases.py` notices dead workers, `trials.py` trains and measures one point, `frontiers.py` writes
what the study found.
"""
