from pathlib import Path

import pytest

from benchmarks import files


@pytest.mark.parametrize("name", files._FILES)
def test_every_row_of_a_file_is_read_both_times(tmp_path: Path, name: str) -> None:
    files.write(tmp_path / name, 2500)
    assert list(files._pages(tmp_path / name)) == [0, 1000, 1000, 500]
    assert files.read(tmp_path / name).rows == 2500
