"""A page that shows a runtime at work; it asks nobody but the process that serves it.

Journal ──► /state, a few times a second ──► page.js draws        /image/N.png, /feature.png
       └──► /metrics, for Prometheus
"""

from bottleneck.runtime.page.page import Page, background_page

__all__ = ["Page", "background_page"]
