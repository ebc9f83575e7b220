"""Stages by name, and the options they take."""

import pytest

from bottleneck.codecs.registry import STAGES, all_options, stage_class


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_knows_its_name(name):
    """The registry loads each stage from its module, and the stage is called by that name."""
    assert stage_class(name).name == name
    assert stage_class(name).takes


def test_options_are_all_options_with_their_defaults():
    """Defaults are filled in, further options of an open signature kept, the form left out."""

    def function(form, level=3, **others):
        """Takes anything."""

    assert all_options(function, {"depth": 2}, "it") == {"level": 3, "depth": 2}
    with pytest.raises(ValueError, match=r"stage 'x': .*'n'\. Its options are: level\."):
        all_options(lambda form, level: None, {"level": 1, "n": 2}, "stage 'x'")
