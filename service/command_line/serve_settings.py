"""Settings from flags: a flag comes before its `QACONV_*` variable, and that before the default."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from service.command_line.command_error import USAGE, CommandError
from service.settings import Settings


def settings_from_flags(flags: Mapping[str, str | bool | None]) -> Settings:
    """Read the settings once.

    Args:
        flags: by the name of the setting; None where the flag was not given.

    Raises:
        CommandError: a value is out of its range; one line for each, which names the flag and the variable.
    """
    given: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        lines = [_line(details["loc"], details["msg"], details["input"], flags) for details in error.errors()]
        raise CommandError(*lines, exit_status=USAGE) from error


def _line(location: tuple[int | str, ...], message: str, value: object, flags: Mapping[str, str | bool | None]) -> str:
    message = message.removeprefix("Value error, ")
    if not location:
        return message
    name = str(location[0])
    message = f"{message} (it is: {Settings.model_fields[name].description})"
    variable = f"QACONV_{name.upper()}"
    if name not in flags:
        return f"{variable} is {value!r}: {message}"
    flag = f"--{name.replace('_', '-')}"
    if flags[name] is None:
        return f"{variable} (flag {flag}) is {value!r}: {message}"
    return f"{flag} (variable {variable}) is {value!r}: {message}"
