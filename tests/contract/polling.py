# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, never for time to pass."""

import time


def eventually(condition, timeout, message, every=0.05):
    """Polls condition() until it gives something true and returns that; raises when timeout seconds
    have passed."""
    deadline = time.monotonic() + timeout
    while True:
        seen = condition()
        if seen:
            return seen
        if time.monotonic() >= deadline:
            raise AssertionError(f"{message}: not within {timeout} s; last seen: {seen!r}")
        time.sleep(every)
