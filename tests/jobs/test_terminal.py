from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.terminal import new_log_path, own_terminal, printable
from schemas.failure import UsageError


def run_code(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60
    )


def test_all_noise_goes_to_the_log_and_our_words_to_the_terminal(tmp_path):
    log = tmp_path / "logs" / "run.log"
    code = (
        "import os, sys; from pathlib import Path; from jobs.terminal import own_terminal\n"
        "print('before')\n"
        "with own_terminal(Path(sys.argv[1])) as terminal:\n"
        "    print('from python'); os.write(2, b'from a library\\n')\n"
        "    os.system('echo from a child')\n"
        "    terminal.write('ours\\n')\n"
        "print('after')\n"
    )
    done = run_code(code, str(log))
    assert done.stdout.splitlines() == ["before", "ours", "after"]
    assert done.stderr == ""
    assert set(log.read_text().splitlines()) == {
        "from python",
        "from a library",
        "from a child",
    }


def test_a_log_that_cannot_be_written_is_a_usage_error_with_a_remedy(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with (
        pytest.raises(UsageError, match=r"file/run\.log.*--log-file"),
        own_terminal(blocked / "run.log"),
    ):
        pytest.fail("went on without a log")


def test_the_log_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("TAGLINE_LOG_DIR", str(tmp_path))
    assert new_log_path().parent == tmp_path
    monkeypatch.delenv("TAGLINE_LOG_DIR")
    assert str(os.getuid()) in new_log_path().parent.name


def test_a_reader_who_leaves_does_not_end_the_writer():
    reads, writes = os.pipe()
    os.close(reads)
    code = (
        "import sys; from jobs.terminal import Terminal; from rich.text import Text\n"
        "console = Terminal(file=sys.stdout)\n"
        "for number in range(3): console.print(Text('x' * 100_000), soft_wrap=True)\n"
        "sys.exit(7)"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=writes, stderr=-1, timeout=60
        )
    finally:
        os.close(writes)
    assert (done.returncode, done.stderr) == (7, b"")


def test_leaving_at_once_gives_the_cursor_back():
    ours, theirs = pty.openpty()
    code = (
        "import sys; from pathlib import Path\n"
        "from jobs.console import LiveView; from jobs.terminal import *\n"
        "with own_terminal(Path('/dev/null')) as terminal:\n"
        "    LiveView(Terminal(file=terminal, force_terminal=True))\n"
        "    leave_at_once(terminal, 130)"
    )
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.Popen([sys.executable, "-c", code], stdout=theirs, env=environment)
    assert done.wait(timeout=60) == 130
    os.close(theirs)
    shown = os.read(ours, 65536)
    os.close(ours)
    hidden, given_back = shown.rfind(b"\x1b[?25l"), shown.rfind(b"\x1b[?25h")
    assert 0 <= hidden < given_back


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 图", "plain é 图"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\rb\x07", "a\\rb\\x07"),
        ("\udcff", "\\udcff"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_control_characters_are_written_out(text, shown):
    assert printable(text) == shown


def test_nothing_is_left_open(tmp_path):
    before = set(Path("/proc/self/fd").iterdir())
    with own_terminal(tmp_path / "run.log"):
        pass
    assert len(set(Path("/proc/self/fd").iterdir())) == len(before)
