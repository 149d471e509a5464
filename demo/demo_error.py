"""What ends the demo early."""


class DemoError(Exception):
    """Something that the demo needs did not work; the message is for the user."""
