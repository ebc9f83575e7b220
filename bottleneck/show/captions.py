"""A sentence below a picture, which says what is to be seen in it."""

import textwrap
from pathlib import Path

from matplotlib.figure import Figure

from bottleneck.files import replace_file

_LETTERS = 13  # in an inch


def save(figure: Figure, sentence: str, path: Path) -> None:
    """Write a picture with a sentence below it, behind the label that its axes have in common, if any."""
    label = figure.get_supxlabel()
    lines = textwrap.wrap(sentence, int(_LETTERS * figure.get_figwidth()))
    figure.supxlabel("\n".join([*([label] if label else []), *lines]), fontsize="medium")
    with replace_file(path) as temporary:
        figure.savefig(temporary, dpi=150)
