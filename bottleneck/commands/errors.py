"""What a command says when the user has to act: one line, and exit code 1.

A `ValueError`, a file that is missing or damaged, or a missing library that this package noticed is the
user's to mend, and so is, whoever noticed, a full disk, too little memory, a place where nothing may be
written, a word where a number belongs, and what cannot be constructed as the configuration says; anything
else is a defect and keeps its traceback. `HYDRA_FULL_ERROR=1` brings back every one.
"""

import contextlib
import difflib
import numbers
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
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
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from bottleneck.commands.config import config_dir
from bottleneck.commands.exhausted import exhausted

_MISTAKES = (ValueError, OSError, ModuleNotFoundError)
# Python's words, which name no key.
_NO_NUMBER = ("invalid literal for int", "could not convert string", "cannot convert float")


@contextlib.contextmanager
def explained(command: str, as_they_are: bool) -> Iterator[None]:
    """Turn the user's mistakes inside into one line on stderr and exit code 1.

    Args:
        command: The command that runs.
        as_they_are: Whether errors pass.
    """
    try:
        yield
    except Exception as error:
        cause = _cause(error)
        if as_they_are:
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
            text = _no_choice() or f"{_first_line(cause)}, in {' '.join(sys.argv[1:])}."
        elif mistake:
            text = str(cause)
        elif (other := _other_kind(command, cause)) is not None:
            text = other
        elif (unmade := _unmade(error)) is not None:
            text = unmade
        else:
            raise
        print(f"bottleneck {command}: {text}", file=sys.stderr)
        raise SystemExit(1) from error


def check_kinds(command: str) -> None:
    """Refuse words for numbers, numbers for mappings, and anything but yes and no for those.

    Where a default is null anything may be right, and so it may be in what is Lightning's (`trainer`).

    Raises:
        ValueError: With the first such override.
    """
    job = HydraConfig.get()
    if not job.overrides.task:  # nothing to compose the configuration a second time for
        return
    given, defaults = _given(command)
    for each in given:
        if each.is_delete() or each.key_or_group in job.runtime.choices:
            continue
        default, value = _default(defaults, each.key_or_group), each.value()
        if isinstance(default, bool):
            if not isinstance(value, bool):
                raise ValueError(f"{each.input_line} must be true or false.")
            continue
        free = "${" in str(value) or each.key_or_group.startswith("trainer.")
        if not free and (wanted := _wanted(default, value, "")) is not None:
            raise ValueError(f"{each.input_line} must be {wanted}.")


def _given(command: str) -> tuple[list[Any], DictConfig]:
    """The overrides of a job, and the configuration without those that are no choice of a group."""
    job = HydraConfig.get()
    given = OverridesParser.create().parse_overrides(job.overrides.task)
    chosen = [str(each.input_line) for each in given if each.key_or_group in job.runtime.choices]
    return given, _composed(command, chosen)


def _default(defaults: DictConfig, key: str) -> Any:
    """What a key has without its override; `None` also where that hangs on another key without a value."""
    try:
        return OmegaConf.select(defaults, key)
    except InterpolationResolutionError:
        return None


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


def _no_choice() -> str | None:
    """The argument that leaves a group without a choice, which Hydra refuses without naming it."""
    for argument in sys.argv[1:]:
        group = Path(config_dir(), argument.removesuffix("=null").partition("@")[0])
        if argument.endswith("=null") and group.is_dir():
            choices = sorted(file.stem for file in group.iterdir())
            return f"{argument} chooses nothing. Choose one of {', '.join(choices)}."
    return None


def _unmade(error: BaseException) -> str | None:
    """What the configuration describes and Python cannot make, in a sentence."""
    if not isinstance(error, InstantiationException):
        return None
    where = re.search(r"^full_key: (.+)$", str(error), re.MULTILINE)
    return f"{where.group(1) if where else 'the configuration'} cannot be made: {_first_line(_cause(error))}."


def _other_kind(command: str, error: BaseException) -> str | None:
    """The override that is of another kind than what it takes the place of, in a sentence.

    Where none surely is, those that may be, with what the error says: an innocent one is not blamed.
    """
    if not HydraConfig.initialized() or not isinstance(error, (TypeError, ValueError, AttributeError)):
        return None
    job = HydraConfig.get()
    given, defaults = _given(command)
    suspects: dict[int, list[str]] = {0: [], 1: [], 2: []}  # of whom the first are likelier
    for each in given:
        if each.is_delete() or each.key_or_group in job.runtime.choices:
            continue
        default, value = _default(defaults, each.key_or_group), each.value()
        if (wanted := _wanted(default, value, str(error))) is not None:
            return f"{each.input_line} must be {wanted}."
        constructs = each.key_or_group.endswith(("._target_", "._partial_"))
        differs = default is not None and _kind(value) not in (_kind(default), "none")
        if value is None and default is not None and "NoneType" in str(error):
            suspects[0].append(str(each.input_line))
        elif each.is_add() or constructs or differs:
            suspects[1].append(str(each.input_line))
        elif default is None or value is None:  # anything may be allowed there
            suspects[2].append(str(each.input_line))
    if not (likeliest := suspects[0] or suspects[1] or suspects[2]):
        return None
    which = likeliest[0] if len(likeliest) == 1 else f"one of {', '.join(likeliest)}"
    if "os.PathLike" in str(error):
        return f"{which} must be a path."
    file = Path(job.runtime.output_dir) / "error.txt"  # it may be a defect all the same
    file.write_text("".join(traceback.format_exception(error)))
    if suspects[0]:
        return f"{which} gives no value where one is needed. {file} says where."
    if isinstance(error, ValueError) and likeliest is suspects[2]:  # the kind is right, the value is not
        every = " ".join(str(each.input_line) for each in given)
        return f"{_first_line(error)}, in {every}. {file} says where."
    return f"{which} is of a wrong kind ({_first_line(error)}). {file} says where it was used."


def _wanted(default: Any, value: Any, told: str) -> str | None:
    """What a value should be that surely is of another kind than its default; `None`: it may be right."""
    if value is None:
        return None
    if OmegaConf.is_list(default) and not isinstance(value, list) and "not iterable" in told:
        return f"a list, such as {default}"
    if isinstance(default, DictConfig) and not isinstance(value, dict):
        return f"a mapping, of {', '.join(map(str, default))}"
    if OmegaConf.is_list(default) and isinstance(value, list) and all(map(_is_number, default)) and default:
        fit = all(_is_number(each) or isinstance(each, list) for each in value)  # lists: several cuts' own
        return None if fit else f"a list of numbers, such as {default}"
    if not _is_number(default) or isinstance(value, list):
        return None
    whole = isinstance(default, int)  # a key that takes fractions has a default with a point
    if _is_number(value) and (isinstance(value, int) or not whole):
        return None
    return f"a {'whole ' * whole}number, such as {default}"


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    """What a value is like, as far as one of another kind may be wrong in its place."""
    if value is None or isinstance(value, bool):
        return "none" if value is None else "yes or no"
    if _is_number(value):
        return "number"
    return "word" if isinstance(value, str) else "several"


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

    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose(command, overrides)
