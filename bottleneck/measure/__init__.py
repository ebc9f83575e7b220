"""What came of a method, and how methods compare.

`harness.py` sends samples through channels and judges what arrives, `results.py` is a row of what was found,
`curves.py` joins rows, `pareto.py` compares points; `timing.py` and `complexity.py` are what work costs.
"""
