"""What is wrong with a user's files, and the exact line that says so.

A case makes files below a folder and gives the source and what must be called; beside it stands what that must say.
"""

import pytest
from data.bad_archives import ARCHIVES, ENTRIES
from data.bad_images import IMAGES
from data.bad_listings import CONTENTS, LISTINGS, TABLES
from data.bad_truth import TRUTH

from heatproof.core.messages import InputError

CASES = ARCHIVES | ENTRIES | IMAGES | TRUTH | LISTINGS | TABLES | CONTENTS


@pytest.mark.parametrize("name", CASES)
def test_bad_input_says_what_and_where(name, tmp_path, capfd):
    case, expected = CASES[name]
    source, call = case(tmp_path)
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value) == expected.format(at=source, folder=source.parent)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert capfd.readouterr() == ("", "")


def test_there_are_many():
    assert len(CASES) >= 100 and len(CASES) == sum(
        map(len, (ARCHIVES, ENTRIES, IMAGES, TRUTH, LISTINGS, TABLES, CONTENTS))
    )
