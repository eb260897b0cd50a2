"""How often a combined sentence on localization and faithfulness is false, and how often the true one is found."""

import numpy as np
import pandas as pd
from scipy import stats

from bench import many
from bench.error_rates import ALPHA, LEVEL, NAMES, beside_controls
from bench.simulation import Setting, chunks, expected
from heatproof.stats.results import Family, Groups, Model, Omnibus, Outcome, Pairs, Seeds, Shares, StudyResults
from heatproof.stats.tests.omnibus import LEAST_GROUPS, against_controls
from heatproof.stats.tests.paired import DECIMALS, below_p
from heatproof.stats.verdicts import rules
from heatproof.stats.verdicts.judge import FAITHFULNESS, by_control
from heatproof.stats.verdicts.judge import decide as decided

WORDS = {1: rules.YES, -1: rules.NO, 0: rules.UNDECIDED}


def sentences(
    settings: tuple[Setting, Setting], margin: float, draws: int, rng: np.random.Generator, *, test: str = "friedman"
) -> dict[str, float]:
    """Share of studies with a false combined sentence on any model, and share of models with one that is true.

    Args:
        settings: of localization and of faithfulness, whose scores are drawn apart; as many models, nothing missing.
        margin: latent: what a model leads the strongest control by, as an effect, to be a margin ahead of it.
    """
    found = [_decisions(setting, margin, draws, rng, test) for setting in settings]
    decided = np.all([answer != 0 for answer, _ in found], 0)  # [draws, models]
    wrong = decided & np.any([false for _, false in found], 0)
    return {"false": float(wrong.any(1).mean()), "true": float((decided & ~wrong).mean())}


def _decisions(setting: Setting, margin: float, draws: int, rng, test: str) -> tuple[np.ndarray, np.ndarray]:
    """The answers [draws, models], 1 yes, -1 no, 0 undecided, and whether each is false."""
    strongest = max(setting.controls)
    at, zero = expected(setting, np.array([strongest + margin, strongest]))
    lead = (expected(setting, np.array(setting.effects)) - zero).round(9)
    margin = float(at - zero)
    answers = []
    for number, part in enumerate(chunks(setting, draws, rng)):
        tables = np.stack([np.nanmean(images, axis=2) for images in (part.images, *part.controls)], -1)
        answers.append(decide(tables, margin, test))
        if number == 0:
            check(tables[: many.CHECKED], margin, test, answers[0])
    answers = np.concatenate(answers)
    return answers, ((answers == 1) & (lead <= 0)) | ((answers == -1) & (lead >= round(margin, 9)))


def decide(tables: np.ndarray, margin: float, test: str = "friedman") -> np.ndarray:
    """Answer one question [draws, models] for tables [draws, groups, models, seeds, 1 + controls], complete."""
    beside = (tables[..., :1] - tables[..., 1:]).mean(3).round(DECIMALS)
    draws, groups, models, number = beside.shape
    p = many.PAIRED[test](beside.reshape(draws, groups, -1)).reshape(draws, models, number)
    share = ALPHA / 2 if models > 1 else ALPHA
    yes = (beside_controls(beside, p, share) > 0).all(2)
    flat = beside.transpose(1, 0, 2, 3).reshape(groups, -1)
    below = below_margin(flat, margin).reshape(draws, models, number) if groups >= LEAST_GROUPS else np.ones_like(p)
    no = many.holm_rows(np.minimum(1, 2 * number * below.min(2))) <= share
    return np.where(yes, 1, np.where(no, -1, 0))


def below_margin(differences: np.ndarray, margin: float) -> np.ndarray:
    """`equivalence.below_p` of each column of differences [groups, tests]."""
    groups, mean = len(differences), differences.mean(0)
    error = differences.std(0, ddof=1) / np.sqrt(groups)
    p = stats.t.sf((margin - mean) / error, groups - 1)
    np.testing.assert_allclose(p[0], below_p(differences[:, 0], margin))
    return p


def check(tables: np.ndarray, margin: float, test: str, answers: np.ndarray) -> None:
    """Compare answers with those that heatproof gives for each study.

    Raises:
        AssertionError: an answer is another one.
    """
    for table, answer in zip(tables, answers, strict=False):
        assert _one_by_one(table, margin, test) == [WORDS[one] for one in answer], "another answer"


def _one_by_one(table: np.ndarray, margin: float, test: str) -> list[str]:
    """Return heatproof's own answers for one study [groups, models, seeds, 1 + controls]."""
    names = list(NAMES[: table.shape[1]])
    heat, *controls = (pd.DataFrame(values, columns=names) for values in np.moveaxis(table.mean(2), 2, 0))
    share = rules.control_level(ALPHA, len(names))
    beside = {str(place): wide for place, wide in enumerate(controls)}
    rows = against_controls(heat, beside, test=test, level=LEVEL, margin=margin)
    rows = rows.assign(verdict=rules.beats_controls(rows, share))
    outcome = Outcome(
        rules.CHECKPOINTS,
        Shares(share, share),
        by_control(rows),
        rules.by_model(rows),
        Omnibus(test, len(names), len(heat), 0),
        Pairs(0, "p_corrected"),
    )
    results = StudyResults(
        "bench",
        *(len(heat),) * 2,
        Groups("patient"),
        ("cam",),
        Seeds(table.shape[2], table.shape[2]),
        *(ALPHA, LEVEL, test, 0.8),
        dict.fromkeys(names, Model(competent=True)),
        {FAITHFULNESS: Family("", outcomes={"cam": outcome})},
    )
    return [decided(results, FAITHFULNESS, "cam", name).verdict for name in names]
