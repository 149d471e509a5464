"""What a command says when it cannot do what it was asked."""

# The exit statuses of the commands: what was asked for failed, or was not asked for properly.
FAILED = 1
USAGE = 2


class CommandError(Exception):
    """Ends a command with lines for the user on standard error and an exit status.

    Args:
        lines: each a whole sentence: the value, the limit, what to do.
        exit_status: `FAILED` or `USAGE`.
    """

    def __init__(self, *lines: str, exit_status: int = FAILED) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.exit_status = exit_status
