"""What a user can mend."""


class InputError(ValueError):
    """Bad input: its message is one line that names the file or key and the mend. The command line shows
    it without a traceback; any other exception is a bug of heatproof and keeps its traceback."""


class Unsupported(InputError):
    """A method that a network cannot carry: its maps are missing with this reason, and the others are made."""
