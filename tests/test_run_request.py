from __future__ import annotations

from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.run_request import Request


def test_a_model_is_named_as_the_folder_of_its_run_where_nobody_names_it() -> None:
    assert Request("cells", "runs/one", TrainConfig()).model_name == "one"
    assert Request("cells", "runs/one", TrainConfig(), name="mine").model_name == "mine"
