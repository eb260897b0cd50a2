"""When are heatmaps bad? Rank correlations over groups of the primary metrics with what is known of images and lesions;
and whether models that classify better have better heatmaps, across models and within them from seed to seed."""

from collections.abc import Sequence
from itertools import combinations, permutations, product

import numpy as np
import pandas as pd
from scipy import ndimage, stats
from scipy.spatial import ConvexHull

from heatproof.core.draws import generator
from heatproof.stats.results import AccuracyRelation, Point, Regression
from heatproof.stats.tables.groups import as_text
from heatproof.stats.tests.omnibus import DECIMALS, holm
from heatproof.store import artifacts
from heatproof.store.tables import RELATIONS

SHAPE = ("lesion_area", "lesion_elongation", "lesion_solidity")
_TOUCHING = np.ones((3, 3), bool)  # pixels that touch at a corner belong to one lesion


def shape(mask: np.ndarray) -> dict[str, float]:
    """Area, elongation and solidity of the lesions of a mask (bool [height, width]).

    Several lesions: the sum of their areas, and of their shapes the mean weighted by area.

    Returns:
        `lesion_area` as a share of the image; `lesion_elongation`, long over short axis of the ellipse with the same
        second moments, 1 for a disc; `lesion_solidity`, area over that of the convex hull, 1 where there is no dent.
        The last two are NaN where nothing is marked.
    """
    labels, _ = ndimage.label(mask, _TOUCHING)
    parts = [np.argwhere(labels[box] == i + 1) for i, box in enumerate(ndimage.find_objects(labels))]
    areas = [len(points) for points in parts]
    if not parts:
        return dict(zip(SHAPE, (0.0, np.nan, np.nan), strict=True))
    shapes = np.array([(elongation(points), len(points) / hull_pixels(points)) for points in parts])
    values = (sum(areas) / mask.size, *np.average(shapes, axis=0, weights=areas))
    return {name: float(value) for name, value in zip(SHAPE, values, strict=True)}


def elongation(points: np.ndarray) -> float:
    """Ratio of the axes of the ellipse with the second moments of pixels (int [pixels, 2]).

    Each pixel is a square of side 1, whose own second moment is 1/12, so that a line of n pixels has a ratio of n.
    """
    centred = points - points.mean(0)
    short, long = np.linalg.eigvalsh(centred.T @ centred / len(points) + np.eye(2) / 12)
    return float(np.sqrt(long / short))


def hull_pixels(points: np.ndarray) -> int:
    """Pixels whose centre lies in the convex hull of the centres of `points` (int [pixels, 2]), its border included.

    Counted by Pick's theorem: area + border / 2 + 1. Unlike the area of the hull of the pixels' corners, it does not
    take the steps of a small disc for dents, so that a disc has a solidity of 1 at any size.
    """
    ends = points[[np.lexsort(points.T[::-1])[place] for place in (0, -1)]]
    along = ends[1] - ends[0]
    if not np.any(along[0] * (points[:, 1] - ends[0, 1]) - along[1] * (points[:, 0] - ends[0, 0])):
        return int(np.gcd(*np.abs(along))) + 1  # all on one line
    hull = ConvexHull(points)
    corners = points[hull.vertices]
    sides = np.abs(np.roll(corners, -1, axis=0) - corners)
    return round(hull.volume + np.gcd(sides[:, 0], sides[:, 1]).sum() / 2 + 1)


GEOMETRY = ("instances", "size", "elongation", "irrectangularity")  # as Saporta et al. 2022 have them


def geometry(mask: np.ndarray, instances: float = np.nan) -> dict[str, float]:
    """Measure the true region of a mask (bool [height, width]) as Saporta et al. 2022 do.

    Args:
        instances: how many were drawn; NaN: as many as there are connected parts.

    Returns:
        `instances`; `size`, area as a share of the image; and of the largest part `elongation`, the long over the short
        side of the rectangle of least area around it, and `irrectangularity`, the share of that rectangle that it
        leaves free. They take contours through the centres of pixels, where here a pixel is a square, so that the
        rectangle of a line has an area.

    >>> geometry(np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]], bool))["elongation"]
    2.0
    """
    labels, count = ndimage.label(mask, _TOUCHING)
    if not count:
        return dict.fromkeys(GEOMETRY, np.nan)
    points = np.argwhere(labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]))
    corners = np.concatenate([points + corner for corner in ((0, 0), (0, 1), (1, 0), (1, 1))])
    hull = corners[ConvexHull(corners).vertices]
    along = np.roll(hull, -1, axis=0) - hull  # a side of the rectangle lies on one of the hull's (Freeman 1975)
    along = along / np.linalg.norm(along, axis=1, keepdims=True)
    sides = np.stack([np.ptp(hull @ axes.T, axis=0) for axes in (along, along[:, ::-1] * (1, -1))], axis=1)
    short, long = np.sort(sides[np.argmin(np.round(sides.prod(1), DECIMALS))])
    number = count if np.isnan(instances) else instances
    free = 1 - len(points) / (short * long)
    values = (float(number), float(mask.mean()), round(float(long / short), DECIMALS), max(0.0, round(float(free), 12)))
    return dict(zip(GEOMETRY, values, strict=True))


def regressions(
    scores: pd.DataFrame,
    known: pd.DataFrame,
    metrics: Sequence[str],
    methods: Sequence[str],
    models: Sequence[str],
    level: float,
) -> tuple[Regression, ...]:
    """Regress scores of images, or cases, on the geometry of their regions and on the model's confidence.

    Simple linear regressions as in Saporta et al. 2022, of a score on one variable at a time, scaled to [0, 1]: the
    slope is the change from its least to its largest value. Where a second reader was scored, their lead over the
    heatmap is regressed too. Standard errors are clustered by group, as images of a patient are not independent.

    Args:
        scores: columns as in `artifacts.SCORES` and family; scores of seeds are averaged.
        known: columns `KEYS`, `GEOMETRY` and confidence.
        level: of intervals.

    Returns:
        One a metric, model, method and variable, p corrected by Bonferroni over the four of `GEOMETRY`, as there.
    """
    means = known.drop(columns="seed").groupby(["model", "image_id"], sort=False)
    means = means[[*GEOMETRY, "confidence"]].mean().reset_index()
    own = as_text(scores[(scores["family"] == "localization") & scores["metric"].isin(metrics)])
    own = own.groupby(["metric", "method", "model", "image_id", "group"], sort=False)["value"].mean().reset_index()
    rows = []
    for metric, model, method in product(metrics, models, methods):
        of = own[(own["metric"] == metric) & (own["model"] == model)]
        reader = of[of["method"] == "second_reader"].set_index("image_id")["value"]
        table = of[of["method"] == method].merge(means, on=["model", "image_id"])
        for against in [None, "reader"] if len(reader) else [None]:
            score = table["value"] if against is None else table["image_id"].map(reader) - table["value"]
            for variable in (*GEOMETRY, "confidence"):
                found = _slope(table[variable], score, table["group"], level)
                times = len(GEOMETRY) if variable in GEOMETRY else 1
                corrected = None if found["p"] is None else min(1.0, times * found["p"])
                names = {"metric": metric, "against": against, "model": model, "method": method, "variable": variable}
                rows.append(Regression(**names, **found, p_corrected=corrected))
    return tuple(rows)


def _slope(x: pd.Series, y: pd.Series, group: pd.Series, level: float) -> dict:
    """Slope of y on x scaled to [0, 1], with the interval and p of a t test with standard errors by group."""
    import statsmodels.api as sm  # with what a study without regressions can do without

    there = x.notna() & y.notna()
    x, y, group = x[there].to_numpy(float), y[there].to_numpy(float), pd.factorize(group[there])[0]
    groups = len(np.unique(group))
    found = {"slope": None, "low": None, "high": None, "p": None, "groups": groups, "cases": len(x), "reason": ""}
    if groups < LEAST:
        return found | {"reason": f"too few groups have a value ({groups}; {LEAST} are needed)"}
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return found | {"reason": "the same in every case" if np.ptp(x) == 0 else "every case has the same score"}
    design = sm.add_constant((x - x.min()) / np.ptp(x))
    fit = sm.OLS(y, design).fit(cov_type="cluster", cov_kwds={"groups": group}, use_t=True)
    low, high = fit.conf_int(1 - level)[1]
    return found | {"slope": float(fit.params[1]), "low": float(low), "high": float(high), "p": float(fit.pvalues[1])}


CLASS = "class:"  # how the covariate of a class begins
AGAINST, PAIRED = " against ", 4  # classes up to which each is held against each other
LEAST = 10  # groups below which there is no number
NOISE = "random"  # the control whose relations with the lesions are given too: they are those of chance
KEYS = ["model", "seed", "image_id"]


def covariates(
    predictions: dict[tuple[str, int], pd.DataFrame], shapes: pd.DataFrame | None, classes: Sequence[str]
) -> pd.DataFrame:
    """What is known of every test image of every training: columns `KEYS`, then one a covariate.

    `right` is 1 where the prediction is, `class:<name> against <other>` 1 for images of the one class, 0 of the other,
    `confidence` the probability of the true class, which is what the heatmaps explain; NaN where the predictions have
    no probabilities. Where images have several labels, all of it is of cases, an image and one of its labels each, by
    `artifacts.case_name`: `right` where the label is predicted if and only if it is there, the class is the case's
    label, `confidence` its probability.

    Args:
        predictions: (model, seed) -> columns image_id, label, predicted and p_0, p_1, ...
        shapes: columns image_id (the case's, where images have several labels) and `lesions.SHAPE`, NaN for others;
            None where no image has truth.
        classes: names in the order of the labels.
    """
    parts = []
    for (model, seed), table in predictions.items():
        if artifacts.is_multilabel(table):
            parts.append(_of_cases(table, classes).assign(model=model, seed=seed))
            continue
        label = table["label"].to_numpy(int)
        part = table[["image_id"]].assign(model=model, seed=seed, right=1.0 * (table["predicted"] == table["label"]))
        part = part.assign(**_contrasts(label, classes))
        names = [f"p_{k}" for k in range(len(classes))]
        known = set(names) <= set(table)
        part["confidence"] = table[names].to_numpy(float)[np.arange(len(label)), label] if known else np.nan
        parts.append(part)
    found = pd.concat(parts, ignore_index=True)
    if shapes is not None:
        found = found.merge(shapes, on="image_id", how="left")
    return found[[*KEYS, *(column for column in found if column not in KEYS)]]


def _of_cases(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Rows of `covariates` without model and seed: each image with each label, whether it has it or not."""
    count, names = len(classes), [f"p_{k}" for k in range(len(classes))]
    label = np.tile(np.arange(count), len(table))
    ids = [artifacts.case_name(image, name) for image in table["image_id"] for name in classes]
    right = artifacts.truth(table, count) == artifacts.predicted(table, count)
    known = set(names) <= set(table)
    probability = table[names].to_numpy(float) if known else np.full(right.shape, np.nan)
    found = {"image_id": ids, "right": 1.0 * right.ravel()} | _contrasts(label, classes)
    return pd.DataFrame(found | {"confidence": probability.ravel()})


def _contrasts(label: np.ndarray, classes: Sequence[str]) -> dict[str, np.ndarray]:
    """Each class against each other, missing for images of neither; of many classes each against all others."""
    if len(classes) > PAIRED:
        return {CLASS + name: 1.0 * (label == k) for k, name in enumerate(classes)}
    pairs = combinations(range(len(classes)), 2)
    return {
        f"{CLASS}{classes[b]}{AGAINST}{classes[a]}": np.where(np.isin(label, (a, b)), 1.0 * (label == b), np.nan)
        for a, b in pairs
    }


def relations(
    scores: pd.DataFrame,
    known: pd.DataFrame,
    methods: Sequence[str],
    models: Sequence[str],
    primary: dict[str, str],
    settings: dict,
) -> pd.DataFrame:
    """Spearman's correlation of each primary metric with each covariate, over groups: columns `RELATIONS`.

    Both values of a group are means over those of its images that have a score and the covariate, then over seeds; as
    everywhere, a group that lacks a value in any seed is left out. rho and p are SciPy's, as pingouin's are; the
    interval is that of Bonett and Wright (2000, Psychometrika 65, 23-28, eq. 3: Fisher's z with the variance
    (1 + rho^2 / 2) / (n - 3)), because the one for Pearson's is too narrow for ranks. `p_corrected` is Holm's over the
    models and covariates of one family and method. Where only two classes have scores, the first one's row would be
    the mirror of the other's and is left without a number. Large lesions are easier to hit, so the rows of lesions are
    there of random noise as well, as the method `NOISE`.

    Args:
        scores: per image, columns as `artifacts.SCORES` and family.
        known: as from `covariates`.
        methods: the methods under study.
        models: those that take part in verdicts.
        primary: family -> its primary metric.
        settings: section `stats`: interval.
    """
    kept = scores["method"].isin([*methods, NOISE]) & scores["model"].isin(models) & scores["value"].notna()
    kept &= pd.MultiIndex.from_frame(scores[["family", "metric"]]).isin(list(primary.items()))
    rows = as_text(scores.loc[kept, ["family", "method", *KEYS, "group", "value"]])
    names = [column for column in known if column not in KEYS]
    rows = pd.concat(
        [_joined(rows[rows["seed"].notna()], known), _joined(rows[rows["seed"].isna()], _over_seeds(known))]
    )
    chunks = dict(list(rows.groupby(["family", "method", "model"], sort=False)))
    tables = []
    for family, method in product(primary, [*methods, NOISE]):
        requested = [name for name in names if method != NOISE or name in SHAPE]
        found = [
            {"model": model, "covariate": name} | row
            for model in models
            if (family, method, model) in chunks
            for name, row in _relations(chunks[family, method, model], requested, settings["interval"]).items()
        ]
        if found:
            tables.append(_corrected(pd.DataFrame(found)).assign(family=family, metric=primary[family], method=method))
    return pd.concat(tables, ignore_index=True)[list(RELATIONS)] if tables else pd.DataFrame(columns=list(RELATIONS))


def spearman(x: np.ndarray, y: np.ndarray, level: float) -> dict[str, float]:
    """rho of two arrays [groups] without NaN that both vary, its interval (NaN at 1 and -1) and its two-sided p."""
    rho, p = stats.spearmanr(x, y)
    low = high = np.nan
    if abs(rho) < 1 - 10.0**-DECIMALS:
        half = stats.norm.ppf((1 + level) / 2) * np.sqrt((1 + rho**2 / 2) / (len(x) - 3))
        low, high = np.tanh(np.arctanh(rho) + np.array([-half, half]))
    return {"rho": float(rho) + 0.0, "low": float(low), "high": float(high), "p": float(p)}


def _joined(rows: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    on = [key for key in KEYS if key in known]
    return rows.astype({"seed": "Int64"}).merge(known.astype({"seed": "Int64"} if "seed" in known else {}), on=on)


def _over_seeds(known: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, for scores that belong to no single one."""
    return known.drop(columns="seed").groupby(["model", "image_id"], sort=False).mean().reset_index()


def _relations(rows: pd.DataFrame, names: Sequence[str], level: float) -> dict[str, dict]:
    """Covariate -> its row, of the scored images of one family, method and model."""
    present = [name for name in names if name.startswith(CLASS) and AGAINST not in name and rows[name].any()]
    mirror = {present[0]: f"the opposite of {present[1]}"} if len(present) == 2 else {}
    alike: dict[bytes, list[str]] = {}  # covariates that the same images have
    for name in names:
        alike.setdefault(rows[name].notna().to_numpy().tobytes(), []).append(name)
    found = {}
    for together in alike.values():
        means = _group_means(rows[rows[together[0]].notna()], together)
        for name in together:
            reason = mirror.get(name) or _reason(means[name], means["value"])
            numbers = spearman(means[name].to_numpy(), means["value"].to_numpy(), level) if not reason else {}
            found[name] = {"groups": len(means), **dict.fromkeys(("rho", "low", "high", "p"), np.nan)} | numbers
            found[name]["reason"] = reason
    return {name: found[name] for name in names}


def _group_means(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Means over images, then over seeds, of the covariates and `value`, of the groups that have them in every seed."""
    columns = [*names, "value"]
    by_seed = rows.groupby(["seed", "group"], dropna=False, sort=False)[columns].mean()
    over = by_seed.groupby("group")[columns]
    return over.mean()[over.size() == rows["seed"].nunique(dropna=False)].round(DECIMALS)


def _reason(x: pd.Series, y: pd.Series) -> str:
    """Why there is no number, or nothing."""
    if len(x) < LEAST:
        return f"too few groups have a value ({len(x)}; {LEAST} are needed)"
    if x.nunique() == 1:
        return "the same in every group"
    return "every group has the same score" if y.nunique() == 1 else ""


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    """With Holm's p over the rows that have one."""
    p = table["p"].dropna()
    return table.assign(p_corrected=pd.Series(holm(p.tolist()), index=p.index) if len(p) else np.nan)


EXACT = 7  # models up to which all orders are gone through
DRAWS = 10_000
FEWEST_MODELS = 3  # below it there is no order to speak of


def accuracy_and(
    study: str,
    checkpoints: pd.DataFrame,
    per_seed: pd.DataFrame,
    methods: Sequence[str],
    models: Sequence[str],
    primary: dict[str, str],
    settings: dict,
) -> dict[str, dict[str, AccuracyRelation]]:
    """Balanced accuracy beside the primary metric of each family and method.

    Args:
        study: its name, which the draws hang on.
        checkpoints: columns model, seed, balanced_accuracy.
        per_seed: group means of every seed, as from `groups.seed_group_means`.
        methods: the methods under study.
        models: those that take part in verdicts.
        primary: family -> its primary metric.
        settings: section `stats`: alpha, seed.

    Returns:
        family -> method -> `points` (a score that belongs to no seed is compared with the model's mean accuracy, seed
        None), `models`, `rho` (Spearman, over the means of the models), `p` (permutation test, see `permutation_test`;
        one test, not corrected), `critical` (the smallest |rho| that reaches alpha, or None), `smallest_p`,
        `within` (correlation of the deviations from the means of the models, over `checkpoints` of models with several;
        described, not tested). None where a number cannot be had.
    """
    found: dict = {}
    for family, metric in primary.items():
        of = per_seed[(per_seed["family"] == family) & (per_seed["metric"] == metric) & per_seed["model"].isin(models)]
        for method in methods:
            points = _points(checkpoints, of[of["method"] == method], models)
            rng = generator(study, family, method, "accuracy", settings["seed"])
            found.setdefault(family, {})[method] = _judged(points, settings["alpha"], rng)
    return found


def permutation_test(x: np.ndarray, y: np.ndarray, level: float, rng: np.random.Generator) -> dict[str, float | None]:
    """Spearman's rho of x and y [models], and its two-sided p over all orders, from 8 models on over 10,000 draws.

    Drawn orders count the observed one (Phipson & Smyth 2010, doi 10.2202/1544-6115.1585).

    Returns:
        `rho`, `p`, `smallest_p` (of the clearest order) and `critical` (the smallest |rho| with p <= level, or None).
    """
    ranks = [stats.rankdata(np.round(values, DECIMALS)) for values in (x, y)]
    a, b = ((r - r.mean()) / np.linalg.norm(r - r.mean()) for r in ranks)
    if len(x) <= EXACT:
        orders = np.array(list(permutations(range(len(x)))))
    else:
        drawn = rng.permuted(np.tile(np.arange(len(x)), (DRAWS, 1)), axis=1)
        orders = np.vstack([np.arange(len(x)), drawn])
    rho = round(float(a @ b), DECIMALS) + 0.0
    sizes = np.sort(np.abs(b[orders] @ a).round(DECIMALS))
    shares = 1 - np.searchsorted(sizes, sizes) / len(sizes)  # p of each size
    reached = sizes[shares <= level]
    return {
        "rho": rho,
        "p": float(1 - np.searchsorted(sizes, abs(rho)) / len(sizes)),
        "smallest_p": float(shares[-1]),
        "critical": float(reached[0]) if len(reached) else None,
    }


def _points(checkpoints: pd.DataFrame, per_seed: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Columns model, seed, balanced_accuracy, score, in the order of the models."""
    scores = per_seed.groupby(["model", "seed"], dropna=False, observed=True)["value"].mean().rename("score")
    scores = scores.reset_index().astype({"model": str, "seed": "Int64"})
    accuracy = checkpoints[["model", "seed", "balanced_accuracy"]].astype({"seed": "Int64"})
    across = accuracy.groupby("model")["balanced_accuracy"].mean().reset_index().assign(seed=pd.NA)
    known = pd.concat([accuracy, across.astype({"seed": "Int64"})])
    table = scores.merge(known, on=["model", "seed"]).dropna(subset=["score", "balanced_accuracy"])
    place = table["model"].map({model: i for i, model in enumerate(models)})
    return table.assign(place=place).sort_values(["place", "seed"]).drop(columns="place").reset_index(drop=True)


def _judged(points: pd.DataFrame, level: float, rng: np.random.Generator) -> AccuracyRelation:
    rows = [
        Point(p.model, None if pd.isna(p.seed) else int(p.seed), float(p.balanced_accuracy), float(p.score))
        for p in points.itertuples()
    ]
    means = points.groupby("model")[["balanced_accuracy", "score"]].mean().round(DECIMALS)
    found: dict = {}
    if len(means) >= FEWEST_MODELS and (means.nunique() > 1).all():
        found |= permutation_test(means["balanced_accuracy"].to_numpy(), means["score"].to_numpy(), level, rng)
    return AccuracyRelation(tuple(rows), len(means), **_within(points), **found)


def _within(points: pd.DataFrame) -> dict:
    """Pearson's correlation of what the checkpoints deviate from their models' means."""
    columns = ["balanced_accuracy", "score"]
    several = points[points.groupby("model")["seed"].transform("count") > 1]
    off = (several[columns] - several.groupby("model")[columns].transform("mean")).round(DECIMALS)
    if off.empty or (off == 0).all().any():
        return {"within": None, "checkpoints": len(several)}
    return {"within": float(off.corr().iloc[0, 1]), "checkpoints": len(several)}
