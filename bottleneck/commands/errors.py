"""What a command says when the user has to act: one line, and exit code 1.

A `ValueError`, a file that is missing or damaged, or a missing library that this package noticed is the
user's to mend, and so is, whoever noticed, a full disk, too little memory, a place where nothing may be
written, and a word where a number belongs; anything else is a defect and keeps its traceback.
`HYDRA_FULL_ERROR=1` brings back every one.
"""

import contextlib
import difflib
import numbers
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import (
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from bottleneck.commands.exhausted import exhausted

_MISTAKES = (ValueError, OSError, ModuleNotFoundError)
_NO_NUMBER = ("invalid literal for int", "could not convert string")  # Python's words, which name no key


@contextlib.contextmanager
def explained(command: str, traceback: bool) -> Iterator[None]:
    """Turn the user's mistakes inside into one line on stderr and exit code 1.

    Args:
        command: The command that runs.
        traceback: Whether errors pass as they are.
    """
    try:
        yield
    except Exception as error:
        cause = _cause(error)
        if traceback:
            raise
        raised_by = _package(cause.__traceback__)
        mistake = (
            isinstance(cause, _MISTAKES)
            and raised_by == "bottleneck"
            and not str(cause).startswith(_NO_NUMBER)
        )
        if mistake and not isinstance(cause, OSError):
            text = str(cause)
        elif (ended := exhausted(error)) is not None:
            text = ended
        elif isinstance(cause, (HydraException, OmegaConfBaseException)):
            text = _configuration(cause, command)
        elif isinstance(cause, ValueError) and raised_by in ("hydra", "omegaconf"):
            text = f"{_first_line(cause)}, in {' '.join(sys.argv[1:])}."
        elif not mistake and (other := _other_type(command, cause)) is not None:
            text = other
        elif mistake:
            text = str(cause)
        else:
            raise
        print(f"bottleneck {command}: {text}", file=sys.stderr)
        raise SystemExit(1) from error


def _cause(error: BaseException) -> BaseException:
    """What really happened, where Hydra reports that an object could not be made."""
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _package(trace: TracebackType | None) -> str:
    """Who raised the error."""
    name = ""
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        trace = trace.tb_next
    return name.split(".")[0]


def _other_type(command: str, error: BaseException) -> str | None:
    """An override that is of another type than what it takes the place of, in a sentence."""
    if not HydraConfig.initialized():
        return None
    job = HydraConfig.get()
    given = OverridesParser.create().parse_overrides(job.overrides.task)
    chosen = [str(each.input_line) for each in given if each.key_or_group in job.runtime.choices]
    defaults = _composed(command, chosen)
    for each in given:
        default = None if each.is_delete() else OmegaConf.select(defaults, each.key_or_group)
        value = each.value()
        if OmegaConf.is_list(default) and not isinstance(value, list) and "not iterable" in str(error):
            return f"{each.input_line} must be a list, such as {default}."
        if (
            isinstance(default, DictConfig)
            and not isinstance(value, dict)
            and isinstance(error, AttributeError)
        ):
            return f"{each.input_line} must be a mapping, of {', '.join(map(str, default))}."
        if isinstance(value, numbers.Real) and "os.PathLike" in str(error):
            return f"{each.input_line} must be a path."
        whole = isinstance(default, int)
        if isinstance(default, numbers.Real) and not isinstance(value, int if whole else numbers.Real):
            return f"{each.input_line} must be a {'whole ' * whole}number, such as {default}."
    return None


def _configuration(error: BaseException, command: str) -> str:
    """What Hydra found wrong, in a line, with the nearest key or choice."""
    if isinstance(error, OverrideParseException):
        return f"{error.override} cannot be read: {_first_line(error)}."
    if isinstance(error, MissingConfigException) and error.options:
        choice = str(error.missing_cfg_file)
        near = difflib.get_close_matches(choice.rpartition("/")[2], error.options, n=1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        return f"there is no {choice}.{meant} Choose one of {', '.join(error.options)}."
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, MissingMandatoryValue):
            return f"{found.full_key} has no value. Give {found.full_key}=..."
        if isinstance(found, ConfigAttributeError | ConfigKeyError) and found.full_key:
            return f"there is no key {found.full_key}.{_nearest(str(found.full_key), command)}"
        if isinstance(found, OmegaConfBaseException) and found.full_key:
            return f"{_first_line(found)}.{_nearest(str(found.full_key), command)}"
        found = found.__cause__
    text = _first_line(error)
    quoted = text.split("'")
    return f"{text}.{_nearest(quoted[1], command) if len(quoted) > 2 else ''}"


def _first_line(error: BaseException) -> str:
    return next((line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()), repr(error))


def _nearest(key: str, command: str) -> str:
    """The configuration's keys that resemble a misspelt one, and where all of them stand."""
    keys = _keys(command)
    leaf = key.rpartition(".")[2]
    near = [known for known in keys if known.rpartition(".")[2] == leaf]
    near += [known for known in difflib.get_close_matches(key, keys, n=3) if known not in near]
    meant = f" Nearest: {', '.join(near[:3])}." if near else ""
    return f"{meant} `bottleneck {command} --cfg job` shows every key."


def _keys(command: str) -> list[str]:
    """Every key of a command's configuration, dotted, and its groups."""

    def walk(node: Any, prefix: str) -> Iterator[str]:
        for name, inner in node.items() if isinstance(node, dict) else ():
            yield f"{prefix}{name}"
            yield from walk(inner, f"{prefix}{name}.")

    return list(walk(OmegaConf.to_container(_composed(command, []), resolve=False), ""))


def _composed(command: str, overrides: list[str]) -> DictConfig:
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from bottleneck.commands.config import config_dir

    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose(command, overrides)
