"""The one exception that a user may see: a sentence that says what to change, and where."""


class UserError(Exception):
    """A fault in what the user gave: config, study, data file or checkpoint.

    Its message is one line that names the file, the key, what was wanted and what was found. The command
    prints it without a traceback and exits with 2.
    """
