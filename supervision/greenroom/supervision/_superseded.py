"""How a thread leaves a step of the machine that is no longer its own; seen by nobody outside."""


class SupersededError(BaseException):
    """Unwinds a thread whose cell was fenced while it was in foreign code. Never seen outside the machine."""


class Hang(SupersededError):  # noqa: N818 - it is no error: it is how a step that never comes back leaves the stack
    """Unwinds a step of a simulation that never comes back.

    Who catches whatever foreign code raises lets this pass, and gives nothing back on its way: no lock, no turn, no
    place in a round. On real threads it never occurs.
    """
