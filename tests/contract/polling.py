# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, never for time to pass."""

import time

# See tests/e2e/polling.py.
PATIENCE = 4


def eventually(condition, timeout, message, every=0.05):
    """Polls condition() until it gives something true and returns that. An exception counts as
    "not yet": what is looked at may not be there for a moment. Raises when PATIENCE times timeout
    seconds have passed."""
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
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
