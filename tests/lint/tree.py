# SPDX-License-Identifier: Apache-2.0
"""The files that the checks look at, and how a check reports."""

import pathlib
import subprocess
import sys

SKIPPED = {".git", "build", "__pycache__", "node_modules"}


def root():
    """The tree to check: the first argument, else the repository this file lies in."""
    if len(sys.argv) > 1:
        return pathlib.Path(sys.argv[1]).resolve()
    return pathlib.Path(__file__).resolve().parents[2]


def _listed(top):
    if (top / ".git").exists():
        out = subprocess.run(
            ["git", "-C", str(top), "ls-files", "-co", "--exclude-standard", "-z"],
            check=True, capture_output=True, text=True).stdout
        return [name for name in out.split("\0") if name]
    return [str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()]


def files(top):
    """Paths relative to top, with /, sorted: what is in the tree or would be added to it."""
    return sorted(name for name in _listed(top)
                  if not SKIPPED.intersection(pathlib.PurePath(name).parts)
                  and (top / name).is_file() and not (top / name).is_symlink())


def read(top, name):
    return (top / name).read_text(encoding="utf-8", errors="replace")


def kind(top, name):
    """c, python, shell or other; programs without an ending are known by their first line."""
    suffix = pathlib.PurePath(name).suffix
    if suffix in (".c", ".h"):
        return "c"
    if suffix == ".py":
        return "python"
    if suffix == ".sh":
        return "shell"
    if suffix == "" and name != "LICENSE":
        first = read(top, name)[:64].split("\n", 1)[0]
        if first.startswith("#!"):
            if "python" in first:
                return "python"
            if first.endswith(("bash", "sh")):
                return "shell"
    return "other"


def finish(problems):
    """Prints one line a problem and ends with 1 if there was any."""
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)
