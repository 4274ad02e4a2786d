"""Configurations by file and by dotted name: `load_config("demo")`, `override(config,
{"train.steps": "2000"})`.

Values are text (command line) or JSON values (a checkpoint's `config.json`) and are converted to
the declared type of the field. The error for an unknown name suggests the nearest known one. A
tuple is a text with commas. An item that is a group of fields lists them by name, with quotes
around values with spaces or commas:

    --data.sources 'weight=0.6 name=corpus, path="my shards" weight=0.4'
"""

import dataclasses
import difflib
import importlib.util
import os
import shlex
import types
import typing
from collections.abc import Mapping
from pathlib import Path

from ksdiff_jax.config import Config
from ksdiff_jax.errors import InputError

# `configs/` is inside an installed package; in a checkout it is beside the package.
_PACKAGE = Path(__file__).parent
OWN_CONFIGS = next(
    (at / "configs" for at in (_PACKAGE, _PACKAGE.parent) if (at / "configs").is_dir()), _PACKAGE
)


def load_config(name: str | Path, *, folder: str | Path = "configs") -> Config:
    """Return the `Config` that a config file's `config()` returns.

    `name` is a path to a `.py` file, or the bare name of one in `folder` or of one that ships with
    the package, searched in this order. Raises `InputError` if there is no such file, if it fails
    to run, or if it does not define `config() -> Config`.
    """
    path = find_config(name, folder=folder)
    if path is None:
        raise InputError(
            f"no config {str(name)!r}: need a .py file, or one of "
            f"{', '.join(known_configs(folder))}"
        )
    spec = importlib.util.spec_from_file_location(f"ksdiff_config_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        config = module.config()
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:
        raise InputError(
            f"{path}: cannot be used as a config: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(config, Config):
        raise InputError(
            f"{path}: config() returned {type(config).__name__}, need the Config of a system, as "
            "ksdiff_jax.models.ksdiff.config.Config"
        )
    return config if config.name else dataclasses.replace(config, name=path.stem)


def find_config(name: str | Path, *, folder: str | Path = "configs") -> Path | None:
    """Return the file that `load_config` reads for `name`; None if there is none."""
    path = Path(name)
    places = (
        [path]
        if path.suffix == ".py"
        else [Path(at) / f"{name}.py" for at in (folder, OWN_CONFIGS)]
    )
    # os.path.isfile accepts names that no file can have; Path.is_file raises.
    return next((place for place in places if os.path.isfile(place)), None)  # noqa: PTH113


def known_configs(folder: str | Path = "configs") -> list[str]:
    """Return the bare names that `load_config` accepts."""
    return sorted({path.stem for at in (folder, OWN_CONFIGS) for path in Path(at).glob("*.py")})


def field_names(config, prefix: str = "") -> list[str]:
    """Return the dotted names of all leaf fields of a configuration."""
    names = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            names += field_names(value, f"{prefix}{field.name}.")
        else:
            names.append(prefix + field.name)
    return names


def override(config, values: Mapping[str, object]):
    """Return a copy of `config` with the fields in `values` replaced, all at once.

    A group is set before its fields, so `data.augment none` does not undo `data.augment.noise 0.1`.
    Raises `InputError` for an unknown name (with the nearest one), for a value that does not match
    the field's type, and for one that the configuration refuses.
    """
    return _replaced(config, values, group="", root=config)


def from_dict(kind: type, values: Mapping[str, object], prefix: str = ""):
    """Return the inverse of `to_dict`; missing fields keep their defaults, unknown ones raise
    `InputError`.

    A field of `kind.DROPPED` is ignored if it has the value listed there. A missing field of
    `kind.EARLIER` gets the value listed there instead of its default.
    """
    hints, dropped = _hints(kind), getattr(kind, "DROPPED", {})
    changes = dict(getattr(kind, "EARLIER", {}))
    for name, value in values.items():
        if name in hints:
            changes[name] = _convert(hints[name], value, prefix + name)
        elif name not in dropped:
            raise _unknown(prefix + name, [prefix + known for known in hints])
        elif value != dropped[name]:
            raise InputError(
                f"{prefix}{name} {value!r}: this field was removed, only {dropped[name]!r} can be "
                "read"
            )
    return kind(**changes)


def _hints(kind: type) -> dict[str, object]:
    """Return the annotation of every field of a dataclass."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _replaced(config, values: Mapping[str, object], *, group: str, root):
    hints, changes, inner = _hints(type(config)), {}, {}
    for name, value in values.items():
        head, _, rest = name.partition(".")
        if head not in hints:
            raise _unknown(group + name, field_names(root))
        if rest:
            inner.setdefault(head, {})[rest] = value
            continue
        current = getattr(config, head)
        if (
            dataclasses.is_dataclass(current)
            and not isinstance(value, Mapping)
            and value not in ("none", None)
        ):
            raise InputError(
                f"{group}{name} is a group of fields, set one of "
                f"{', '.join(field_names(current, f'{group}{name}.'))}"
            )
        changes[head] = _convert(hints[head], value, group + name)
    for head, fields in inner.items():
        current = changes.get(head, getattr(config, head))
        kind = _dataclass_of(hints[head])
        if kind is None:
            raise InputError(
                f"unknown config field {f'{group}{head}.{next(iter(fields))}'!r}: {head!r} has no "
                "fields of its own"
            )
        current = kind() if current is None else current
        changes[head] = _replaced(current, fields, group=f"{group}{head}.", root=root)
    return dataclasses.replace(config, **changes)


def _unknown(name: str, known: list[str]) -> InputError:
    match = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    nearest = f"did you mean {match[0]!r}?" if match else f"known: {', '.join(known[:12])} ..."
    return InputError(f"unknown config field {name!r}; {nearest}")


def _dataclass_of(hint) -> type | None:
    return next(
        (arm for arm in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(arm)), None
    )


def _convert(hint, value, name: str):
    """Return `value` as the type that the annotation `hint` declares."""
    origin, arms = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None or value == "none":
            return None
        return _convert(
            _matching([arm for arm in arms if arm is not type(None)], value), value, name
        )
    if origin is typing.Literal:
        if value not in arms:
            raise InputError(f"{name}: got {value!r}, need one of {', '.join(map(repr, arms))}")
        return value
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise InputError(f"{name}: got {value!r}, need a group of fields")
        return from_dict(hint, value, f"{name}.")
    if origin is tuple and isinstance(value, str) and dataclasses.is_dataclass(arms[0]):
        value = _groups(value, name)
    if origin is tuple:
        items = (
            value.replace("(", "").replace(")", "").split(",")
            if isinstance(value, str)
            else list(value)
        )
        items = [item for item in items if item != ""]
        if arms[-1] is not Ellipsis and len(items) != len(arms):
            raise InputError(
                f"{name}: got {len(items)} values, need {len(arms)} separated by commas"
            )
        return tuple(_convert(arms[0], item, name) for item in items)
    return _convert_scalar(hint, value, name)


def _matching(arms: list, value):
    """Return the first type of a union whose fields of fixed choices (`Literal`) permit those of
    the group `value`; the first type if there is none.
    """

    def permits(arm) -> bool:
        if not (dataclasses.is_dataclass(arm) and isinstance(value, Mapping)):
            return False
        choices = {
            name: typing.get_args(hint)
            for name, hint in _hints(arm).items()
            if typing.get_origin(hint) is typing.Literal
        }
        return all(value[name] in allowed for name, allowed in choices.items() if name in value)

    return next((arm for arm in arms if permits(arm)), arms[0])


def _groups(text: str, name: str) -> list[dict[str, str]]:
    """Return the groups of a text such as `a=1 b=2, a=3`; the whole of it may be in parentheses."""
    text = text.strip().removeprefix("(").removesuffix(")")
    lexer = shlex.shlex(text, posix=True, punctuation_chars=",")
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    groups: list[dict[str, str]] = [{}]
    try:
        words = list(lexer)
    except ValueError as error:  # a quote without its partner
        raise InputError(f"{name}: {text!r}: {error}") from error
    for word in words:
        field, equals, value = word.partition("=")
        if word == ",":
            groups.append({})
        elif not equals or not field:
            raise InputError(
                f"{name}: got {word!r}, need field=value, with commas between the items"
            )
        else:
            groups[-1][field] = value
    if groups == [{}]:
        return []
    if not all(groups):
        raise InputError(f"{name}: {text!r}: an item between commas is empty")
    return groups


def _convert_scalar(hint: type, value, name: str):
    if hint is bool:
        known = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
        if str(value).lower() not in known:
            raise InputError(f"{name}: got {value!r}, need true or false")
        return known[str(value).lower()]
    try:
        if hint is int and isinstance(value, str):
            return int(value.replace("_", ""))
        if hint is int and float(value) != int(value):
            raise ValueError
        return hint(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name}: got {value!r}, need {'a number' if hint is float else 'an ' + hint.__name__}"
        ) from error
