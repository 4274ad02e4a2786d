"""The one exception that means "the caller can fix this".

The command line turns an `InputError` into a single line on standard error and exit status 2; every other
exception is ours and keeps its traceback. The message says what was got, what is needed and what to do.
"""


class InputError(ValueError):
    """A path, option, file or value that the caller gave cannot be used; the message is one clear line."""
