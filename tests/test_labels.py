import numpy as np
import pandas as pd
import pytest

from heatproof.store.artifacts import case_name, is_multilabel, multihot, predicted, truth

SEVERAL = [[True, False, True], [False, False, False]]


def test_one_class_becomes_a_row_with_one_label():
    frame = pd.DataFrame({"label": [2, 0], "predicted": [1, 1]})
    assert not is_multilabel(frame)
    assert truth(frame, 3).tolist() == [[False, False, True], [True, False, False]]
    assert predicted(frame, 3).tolist() == [[False, True, False]] * 2


def test_several_labels_are_read_from_their_columns_whatever_else_stands_there():
    frame = pd.DataFrame({"label": [pd.NA, pd.NA]}).join(multihot("label", np.array(SEVERAL)))
    assert is_multilabel(frame)
    assert truth(frame[["label_2", "label_0", "label", "label_1"]], 3).tolist() == SEVERAL


def test_columns_take_the_rows_names():
    found = multihot("predicted", np.array(SEVERAL), index=pd.Index([7, 9]))
    assert list(found) == ["predicted_0", "predicted_1", "predicted_2"] and list(found.index) == [7, 9]


def test_a_missing_label_is_not_taken_for_one_that_is_not_there():
    frame = multihot("label", np.array(SEVERAL)).drop(columns="label_1")
    with pytest.raises(KeyError, match="label_1"):
        truth(frame, 3)


def test_a_case_is_called_by_its_image_and_label():
    assert case_name("a/b.png", "COVID-19") == "a/b.png [COVID-19]"
