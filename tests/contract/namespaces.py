# SPDX-License-Identifier: Apache-2.0
"""Network namespaces, by thread: the rest of the process stays where it is."""

import concurrent.futures
import ctypes
import os

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def enter(path):
    """Moves the calling thread; it can't be used for anything else afterwards."""
    with open(path, "rb") as namespace:
        if _libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)


def inside(path, function, *arguments):
    """function(*arguments), called by a thread that is in the namespace; None is the caller's."""
    if path is None:
        return function(*arguments)
    with concurrent.futures.ThreadPoolExecutor(1, initializer=enter, initargs=(path,)) as pool:
        return pool.submit(function, *arguments).result()
