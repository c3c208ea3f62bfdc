# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, never for time to pass."""

import time


def eventually(condition, timeout, message, every=0.05):
    """Polls condition() until it gives something true and returns that; raises when timeout seconds
    have passed. Only OSError, what a socket that is not there yet gives, counts as "not yet"."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            seen = condition()
        except OSError as error:
            seen = error
        else:
            if seen:
                return seen
        if time.monotonic() >= deadline:
            raise AssertionError(f"{message}: not within {timeout} s; last seen: {seen!r}")
        time.sleep(every)
