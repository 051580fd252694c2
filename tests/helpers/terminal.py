"""Runs a command on a terminal of its own and types at it, as a user would.

usage: terminal.py STEPS COMMAND...   STEPS: JSON [[pattern, text], ...]: once what the terminal shows since the last
text matches the pattern, the text is typed. Prints all that it showed; exits as the command did.
"""
import json
import os
import pty
import re
import select
import sys
import time

LONGEST_WAIT_S = 40


def read(terminal, deadline):
    """What came next, or None at the end."""
    if not select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]:
        raise TimeoutError
    try:
        return os.read(terminal, 65536) or None
    except OSError:
        return None


def main():
    steps = json.loads(sys.argv[1])
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(sys.argv[2], sys.argv[2:])
    fresh = b""
    deadline = time.monotonic() + LONGEST_WAIT_S
    try:
        while (piece := read(terminal, deadline)) is not None:
            sys.stdout.buffer.write(piece)
            fresh += piece
            if steps and re.search(steps[0][0].encode(), fresh):
                os.write(terminal, steps.pop(0)[1].encode())
                fresh = b""
    except TimeoutError:
        sys.stderr.write(f"still waiting for {steps[:1]}\n")
        os.kill(child, 9)
    status = os.waitpid(child, 0)[1]
    sys.stdout.flush()
    sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)


main()
