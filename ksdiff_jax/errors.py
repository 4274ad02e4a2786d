"""The one exception that means "the caller can fix this", and the warning that work goes on although something is odd.

The command line turns an `InputError` into a single line on standard error and exit status 2; every other
exception is ours and keeps its traceback. The message says what was got, what is needed and what to do. It shows a
`Notice` as a line too.
"""


class InputError(ValueError):
    """A path, option, file or value that the caller gave cannot be used; the message is one clear line."""


class Notice(UserWarning):
    """Something was repaired, cut or left out; the message says what, in words for the caller."""


class CheckpointCorrupt(Exception):
    """A checkpoint cannot be read, or an array in it is not what was saved; the message names it."""


def first_line(error: BaseException, *, limit: int = 200) -> str:
    """What an error of another library says, in one line of at most `limit` characters; its type if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:limit]
