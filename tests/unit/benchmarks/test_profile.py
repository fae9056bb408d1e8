"""What a process does is told by its stack."""

import sys
from types import FrameType

from benchmarks.profile import step_of


def compile_as(file: str, source: str) -> dict[str, object]:
    found: dict[str, object] = {"sys": sys}
    exec(compile(source, f"/somewhere/{file}", "exec"), found)
    return found


def frame_of(file: str, call: str, source: str) -> FrameType:
    frame = eval(call, compile_as(file, source))
    assert isinstance(frame, FrameType)
    return frame


def test_the_innermost_step_counts_and_a_copy_names_its_table() -> None:
    look = "sys._getframe()"
    copying = f"def copy(table): return {look}"
    assert step_of(frame_of("sql.py", "copy('musicsync_track')", copying)) == "PostgreSQL: COPY into track"
    within = f"def copy(table): return _csv()\ndef _csv(): return {look}"
    assert step_of(frame_of("sql.py", "copy('musicsync_track')", within)) == "Python: rows as CSV"
    deeper = f"def work(): return anything()\ndef anything(): return {look}"
    assert step_of(frame_of("work.py", "work()", deeper)) == "Python: the rest of a page"


def test_outside_of_a_fetch_there_is_no_step() -> None:
    assert step_of(None) is None
    assert step_of(frame_of("other.py", "work()", "def work(): return sys._getframe()")) is None
