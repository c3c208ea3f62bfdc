# SPDX-License-Identifier: Apache-2.0
"""A person at a terminal: tmux runs a command in it, types and looks at the screen."""

import subprocess
import uuid

from polling import eventually


class Terminal:
    def __init__(self, arguments, rows, columns):
        self.socket = f"aci-kubelet-{uuid.uuid4().hex[:8]}"
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows),
                  *arguments)
        self.tmux("set-option", "-g", "status", "off")
        self.resize(rows, columns)

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-L", self.socket, *arguments], check=True,
                              capture_output=True, text=True, timeout=120).stdout

    def resize(self, rows, columns):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def type(self, *keys):
        """Words as tmux names keys: "Enter", "C-c", "Up", or text."""
        self.tmux("send-keys", *keys)

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def expect(self, text, timeout=40):
        def shows():
            assert text in self.screen(), f"the screen shows:\n{self.screen()}"
            return True
        eventually(shows, timeout, f"the screen shows {text!r}")

    def expect_prompt(self, text):
        """The text, and after it a shell that takes keys: sooner they would be keys of a line that
        the terminal edits by itself."""
        self.expect(text)
        eventually(lambda: self.screen().rstrip().endswith("$"), 40, "the shell shows its prompt")

    def close(self):
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], check=False,
                       capture_output=True, timeout=120)
