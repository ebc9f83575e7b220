"""Living beside packages that probe for PyPI's `Bottleneck`, and importing lightly."""

import subprocess
import sys

import pytest


def run(code: str, *flags: str) -> None:
    subprocess.run([sys.executable, *flags, "-c", code], check=True)


@pytest.mark.parametrize("first", ["import bottleneck", "pass"])
def test_pandas_computes_as_if_we_were_not_there(first):
    """Pandas imports silently beside us, before or after, and its sums are right."""
    run(
        f"{first}\nimport pandas, bottleneck\n"
        "s = pandas.Series([1.0, 2.5, None, 4.0])\n"
        "assert (s.sum(), s.mean(), s.max(), s.median()) == (7.5, 2.5, 4.0, 2.5)",
        "-W",
        "error",
    )


@pytest.mark.parametrize("first", ["import bottleneck", "pass"])
def test_xarray_computes_as_if_we_were_not_there(first):
    """Xarray imports beside us, and its sums, ranks and fills are right."""
    run(
        f"{first}\nimport xarray, bottleneck\n"
        "a = xarray.DataArray([3.0, 1.0, float('nan'), 2.0], dims='x')\n"
        "assert (float(a.sum()), float(a.mean()), float(a.max())) == (6.0, 2.0, 3.0)\n"
        "assert float(a.rolling(x=2).mean()[1]) == 2.0"
    )


def test_import_is_light_and_silent():
    """`import bottleneck` raises no warning and loads none of the heavy packages."""
    run(
        "import sys, bottleneck\n"
        "heavy = {'torch', 'pytorch_lightning', 'lightning', 'hydra', 'optuna', 'numpy', 'torchvision'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)",
        "-W",
        "error",
    )


def test_public_names_resolve():
    """Every public name is there, with its own documentation."""
    import bottleneck

    for name in bottleneck.__all__:
        assert getattr(bottleneck, name).__doc__, name
    assert set(bottleneck.__all__) <= set(dir(bottleneck))


def test_unknown_names_raise_a_plain_attribute_error():
    """What pandas and xarray look for is not here, and that is all they are told."""
    import bottleneck

    with pytest.raises(AttributeError, match="has no attribute 'nansum'"):
        bottleneck.nansum  # noqa: B018 - the access is the test
    assert bottleneck.__version__.startswith("0.")
