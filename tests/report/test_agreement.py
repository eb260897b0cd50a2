"""What is said of how metrics agree, and the matrix that it rests on."""

from dataclasses import replace

import pytest

from heatproof.report.sections import trust
from heatproof.stats.results import Agreement


def matrix(data, values):
    names = ["iou", "pointing_game", "relevance_rank_accuracy"][: len(values)]
    table = Agreement(tuple(names), tuple(map(tuple, values)), 3)
    return trust.make(replace(data, results=replace(data.results, agreement={"localization": table})))[0]


@pytest.mark.slow
def test_the_ends_are_named_and_the_matrix_is_the_lower_half(data):
    found = matrix(data, [[1, 0.2, -0.4], [0.2, 1, 0.9], [-0.4, 0.9, 1]])
    assert found.sentence == (
        "Rank correlations range from −0.40 (overlap (IoU); relevance rank accuracy) to 0.90 (pointing game; relevance "
        "rank accuracy); median of 3 pairs: 0.20."
    )
    assert [[text for text, _ in cells] for _, cells in found.rows] == [[], ["0.20"], ["−0.40", "0.90"]]
    assert [strength for _, strength in found.rows[2][1]] == [0, 45]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([[1, None], [None, 1]], "No pair of metrics has enough scores in common."),
        ([[1, 0.5], [0.5, 1]], "The rank correlation is 0.50 (overlap (IoU); pointing game)."),
    ],
)
def test_few_pairs(data, values, sentence):
    assert matrix(data, values).sentence == sentence


@pytest.mark.slow
def test_the_page_of_one_family_has_none(made, report):
    assert 'id="agreement"' not in report(made(families=("consistency",)))
