# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, never for time to pass."""

import time

# A test says how long something may take on a machine that does nothing else. Where five lanes of tests
# share two cores, and the machine itself may stand still for seconds, it takes a multiple.
PATIENCE = 4


def eventually(condition, timeout, message, every=0.1):
    """Polls condition() until it gives something true and returns that. An exception counts as
    "not yet"; the last one is part of what is raised when PATIENCE times timeout seconds have passed."""
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    seen = None
    while True:
        try:
            seen = condition()
            if seen:
                return seen
        except Exception as error:  # pylint: disable=broad-except
            seen = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"{message}: not within {timeout} s; last seen: {seen!r}")
        time.sleep(every)


def holds(condition, seconds, message, every=0.25):
    """condition() stays true for all of the given time: for what must not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), message
        time.sleep(every)
