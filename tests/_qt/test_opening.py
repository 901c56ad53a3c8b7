from __future__ import annotations

from pathlib import Path

import pytest

from napari_nucleiseg._qt import opening
from napari_nucleiseg._qt.opening import place_to_extract


def test_an_archive_is_extracted_beside_it_or_else_into_the_persons_own_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "stage1_train.zip"
    assert place_to_extract(archive) == tmp_path
    assert list(tmp_path.iterdir()) == [], "nothing is left of the trial"

    def refuse(**_: object) -> None:
        raise PermissionError(13, "a share of others")

    monkeypatch.setattr(opening, "TemporaryFile", refuse)
    assert place_to_extract(archive).parts[-2:] == ("napari-nucleiseg", "datasets")
