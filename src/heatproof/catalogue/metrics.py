"""Metrics: what each measures and is called, which values are good, and what it takes."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from heatproof.catalogue.families import FAMILIES


@dataclass(frozen=True)
class Metric:
    """A metric. Its function is attached by `@metric(name)`, in a module of `heatproof.score.metrics`.

    Attributes:
        family: the one of `FAMILIES` whose job computes it.
        title: its name in the report.
        question: what it answers, for a reader who never heard of it.
        short: its name within a sentence; by default `name` without underscores.
        better: which values are good, `none` where it only describes.
        module: of `heatproof.score.metrics`, with its function; by default the one called like the family.
        region: of the image, that it needs in place of a lesion's truth (`data.regions`).
        peak: whether the most representative point decides, so that a reader's is taken where one was set.
        blank: whether a reader who drew nothing scores 0, and not no score.
        tuned: whether a threshold is tuned on heatmaps of validation images (`explain.validation`).
        baselines: whether it is computed for further baselines too, under its name and theirs (`srg_blur`).
        claim: what heatmaps do that score well by it, where that is not what its family's claim says.
        cite: keys of `report/paper/references.bib`, none where the definition is all there is to it.
        formula, range, cost, source, notes: its row in docs/metrics.md.
    """

    name: str
    family: str
    title: str
    question: str
    short: str = ""
    better: Literal["higher", "lower", "none"] = "higher"
    module: str = ""
    region: str = ""
    peak: bool = False
    blank: bool = False
    tuned: bool = False
    baselines: bool = False
    claim: str = ""
    cite: tuple[str, ...] = ()
    formula: str = ""
    range: str = ""
    cost: str = ""
    source: str = ""
    notes: str = ""

    COMPUTED: ClassVar = ("region", "peak", "blank", "tuned")  # what the job of its family reads, beside the path

    @property
    def path(self) -> str:
        """The module with its function."""
        return f"heatproof.score.metrics.{self.module or self.family}"


CHANGES = {
    "flip": "flipped image",
    "shift": "shifted image",
    "rotate": "turned image",
    "scale": "scaled image",
    "noise": "image with noise",
    "window": "another brightness window",
}
BASELINES = {
    "mean": "covered with the mean",
    "zero": "covered with black",
    "blur": "covered with the blurred image",
    "imputation": "covered with a blend of the neighbours",
}
VARIANTS = BASELINES | CHANGES  # what the end of a variant's name stands for
_IN_THE_SAME_ORDER = (
    "Are the pixels of the changed image's heatmap ranked as in the first heatmap, changed in the same way?"
)
_EQUIVARIANCE = ("wang2020seam", "crabbe2023")


def _of_changed_models(kind: str, title: str, *questions: str, cite: tuple[str, ...], short: str = "", **docs: str):
    """Return both metrics that compare a map with that of a changed model: by SSIM, and by rank correlation."""
    shared = {"better": "lower", "range": "-1 to 1"} | docs
    likeness, correlation = f"Likeness (SSIM), {title}", f"Rank correlation, {title}"
    return (
        Metric(f"ssim_{kind}", "sanity", likeness, questions[0], cite=(*cite, "wang2004"), **shared),
        Metric(f"rank_correlation_{kind}", "sanity", correlation, questions[-1], short, cite=cite, **shared),
    )


METRICS = {metric.name: metric for metric in (
    Metric("localization_accuracy", "localization", "Localization accuracy",
        "How much of the marked region is at least half hot? A map that is hot everywhere scores 1, so read it only "
        "beside the others.", cite=("panboonyuen2026",), range="0 to 1", source="arXiv 2601.12826, Eq. 4",
        formula="share of M where L is at least 0.5; recall alone, so a map of ones would score 1", blank=True),
    Metric("iou", "localization", "Overlap (IoU)",
        "How large is the overlap of the half-hot area and the marked region, of 1?", short="IoU", range="0 to 1",
        formula="intersection over union of L >= 0.5 and M", blank=True),
    Metric("iou_tuned", "localization", "Overlap at the tuned threshold (mIoU)",
        "How large is the overlap with the marked region of the area above the threshold that fits the label best in "
        "validation images, of 1?", short="mIoU", cite=("saporta2022",), range="0 to 1",
        source="Saporta et al. 2022 (cheXlocalize)",
        formula="IoU of L >= t and M; t of .2, .3, ..., .8 with the largest mean over validation images of the label",
        notes="of studies with `explain.validation` alone; every method and control has thresholds of its own",
        cost="the heatmaps of validation images", blank=True, tuned=True),
    Metric("iou_area", "localization", "Overlap at the region's size",
        "Take as many of the hottest pixels as the marked region has: how large is their overlap with it, of 1?",
        range="0 to 1",
        formula="the same of the |M| most relevant pixels, ties by exact expectation; no threshold has a say"),
    Metric("relevance_rank_accuracy", "localization", "Relevance rank accuracy",
        "Take as many of the hottest pixels as the marked region has: which share of them lies inside it?",
        cite=("arras2022",), range="0 to 1", source="Arras et al. 2022",
        formula="share of the |M| most relevant pixels that lie in M"),
    Metric("relevance_mass_accuracy", "localization", "Relevance mass accuracy",
        "Which share of all heat lies inside the marked region?", cite=("arras2022",), range="0 to 1",
        source="Arras et al. 2022", formula="share of positive relevance in M"),
    Metric("energy_pointing_game", "localization", "Energy pointing game",
        "Which share of all heat, counted from the coldest point, lies inside the marked region?", cite=("wang2020",),
        range="0 to 1", source="Wang et al. 2020",
        formula="share of L in M: as mass, but counted from the least relevant pixel, not from zero"),
    Metric("pixel_auroc", "localization", "Pixel AUROC",
        "How often is a pixel of the marked region hotter than one outside? Half the time is chance.",
        range="0 to 1, chance 0.5", formula="probability that a pixel of M is above one outside, ties half"),
    Metric("pixel_auprc", "localization", "Pixel average precision",
        "Of the pixels as hot as one of the marked region or hotter, which share lies inside it, on average?",
        cite=("davis2006",), range="0 to 1, chance the share of M", source="Davis and Goadrich 2006",
        formula="average precision of the pixels, ties together"),
    Metric("pointing_game", "localization", "Pointing game", "How often is the hottest point inside the marked region?",
        cite=("zhang2018",), range="0 to 1", source="Zhang et al. 2018",
        formula="whether the maximum lies in M; of several maxima the share", peak=True, blank=True),
    Metric("pointing_game_tolerance", "localization", "Pointing game with tolerance",
        "How often is the hottest point inside the marked region or a few pixels beside it?", cite=("zhang2018",),
        range="0 to 1", source="Zhang et al. 2018",
        formula="the same, in M or at most `score.localization.tolerance` of the side beside it (default 0.067, 15 of "
        "224 pixels)", peak=True, blank=True),
    Metric("hit_rate", "localization", "Hit rate",
        "How often is the hottest point, the first of equals, inside the marked region?", cite=("saporta2022",),
        range="0 or 1", source="Saporta et al. 2022 (cheXlocalize)",
        formula="whether the first maximum lies in M, 1 or 0", peak=True, blank=True),
    Metric("peak_distance", "localization", "Distance of the peak",
        "How many pixels is the hottest point away from the marked region?", better="lower", range="from 0",
        formula="pixels from the maximum to the nearest of M", peak=True),
    Metric("lesion_hit_rate", "localization", "Lesions hit",
        "Which share of the marked regions of an image does the heatmap hit?", cite=("chakraborty1990",),
        range="0 to 1", source="lesion localization fraction, Chakraborty and Winter 1990",
        formula="share of lesions in which a connected part of L >= 0.5 has its maximum; recall alone", blank=True),
    Metric("box_iou", "localization", "Overlap of boxes",
        "How large is the overlap of the boxes around hot area and marked region, of 1?",
        cite=("zhou2016", "choe2020"), range="0 to 1", source="Zhou et al. 2016, Choe et al. 2020",
        formula="IoU of the boxes around the largest connected part of L >= 0.5 and around the lesion it fits best",
        blank=True),
    Metric("outside_body", "localization", "Heat outside the body",
        "Which share of all heat lies outside the body, where nothing can be?", short="heat outside the body",
        better="lower", region="body", claim="keep to the body better than", range="0 to 1",
        formula="share of positive relevance outside the body; needs no lesion truth"),
    Metric("outside_lungs", "localization", "Heat outside the lungs", "Which share of all heat lies outside the lungs?",
        short="heat outside the lungs", better="lower", region="lungs", claim="keep to the lungs better than",
        range="0 to 1", formula="the same outside the lungs"),
    Metric("on_border", "localization", "Heat on the image's border",
        "Which share of all heat lies on the band along the image's edges?", short="heat on the border",
        better="lower", region="border", claim="keep off the border better than", range="0 to 1",
        formula="share of positive relevance on the band along the image's edges (`data.regions: [border]`), 5 % of "
        "the side wide; an even map has there what the band takes up of the image (about 0.19)"),
    Metric("inside_cue", "localization", "Heat on the planted cue",
        "Which share of all heat lies where the planted cue is, or would be?", short="heat on the mark", better="none",
        region="cue", range="0 to 1",
        formula="share of positive relevance where a planted cue is, or would be (`data.shortcut`, `data.regions: "
        "[cue]`); right is what the model uses, so neither high nor low is better"),
    Metric("deletion_auc", "faithfulness", "Deletion area",
        "How certain does the model stay while the hottest pixels are covered first?", better="lower", baselines=True,
        cite=("petsiuk2018",), range="[0, 1]", cost="with insertion: 2B(S-1) a map, at most B+1 an image",
        source="Petsiuk et al. 2018", formula="area under f, most relevant removed first, trapezoid rule",
        notes="not comparable between models; out of distribution; depends on the baseline"),
    Metric("insertion_auc", "faithfulness", "Insertion area",
        "How certain does the model become while the hottest pixels are uncovered first?", baselines=True,
        cite=("petsiuk2018",), range="[0, 1]", cost="the same passes", source="Petsiuk et al. 2018",
        formula="area under f, most relevant inserted first into b", notes="the same"),
    Metric("srg", "faithfulness", "Symmetric relevance gain",
        "How much more does the model lose when the hottest pixels are covered first than when the coldest are? A map "
        "without meaning gets about 0.", short="symmetric relevance gain", baselines=True, cite=("bluecher2024",),
        range="[-1, 1], 0 for a random order", cost="none more", source="Blücher et al. 2024",
        formula="insertion_auc - deletion_auc", notes="depends on the baseline"),
    Metric("aopc_morf", "faithfulness", "Mean loss, hottest first",
        "How much certainty is lost on average while the hottest pixels are covered first?", baselines=True,
        cite=("samek2017",), range="[-1, 1]", cost="none more", source="Samek et al. 2017",
        formula="mean over k = 0..S of f(x) - f(x_k), most relevant removed first",
        notes="deletion AUC under another name: (S+1)(f(x) - aopc_morf) = S deletion_auc + (f(x) + f(b))/2 where steps"
        " are equally wide"),
    Metric("aopc_lerf", "faithfulness", "Mean loss, coldest first",
        "How much certainty is lost on average while the coldest pixels are covered first?", better="lower",
        baselines=True, cite=("samek2017",), range="[-1, 1]", cost="none more", source="Samek et al. 2017",
        formula="the same, least relevant first", notes="insertion AUC under another name, the same identity"),
    Metric("faithfulness_logit", "faithfulness", "Drop in logit",
        "How far does the model's raw output for the true class fall when the hot parts are dimmed?",
        module="confidence", cite=("panboonyuen2026",), range="any", cost="1 a map", source="arXiv 2601.12826, Eq. 5",
        formula="logit(x) - logit(x ⊙ (1 - L))",
        notes="black where hot, whatever the baselines; a map that is hot everywhere scores well; scale of the logits "
        "is the model's"),
    Metric("faithfulness_probability", "faithfulness", "Drop in probability",
        "How far does the probability of the true class fall when the hot parts are dimmed?", module="confidence",
        cite=("panboonyuen2026",), range="[-1, 1]", cost="the same pass", source="arXiv 2601.12826, Eq. 5",
        formula="f(x) - f(x ⊙ (1 - L))", notes="the same"),
    Metric("average_drop", "faithfulness", "Average drop",
        "Which share of its certainty does the model lose when it sees the hot parts alone?", better="lower",
        module="confidence", cite=("chattopadhay2018",), range="[0, 1]", cost="1 a map",
        source="Chattopadhay et al. 2018", formula="max(0, f(x) - f(x ⊙ L)) / f(x)",
        notes="black where cold; a map that is hot nearly everywhere drops nothing; the paper's is in percent, the "
        "mean over images"),
    Metric("increase_in_confidence", "faithfulness", "Increase in confidence",
        "How often is the model more certain when it sees the hot parts alone?", module="confidence",
        cite=("chattopadhay2018",), range="0 or 1", cost="the same pass", source="Chattopadhay et al. 2018",
        formula="1[f(x) < f(x ⊙ L)]",
        notes="equal is no increase; 0 for all maps where nothing speaks against the target"),
    Metric("naopc", "faithfulness", "Normalized loss",
        "How near does the order of the heatmap come to the best order that was found for this model (1), counted from"
        " the worst (0)?", module="naopc", cite=("edin2024",), range="about [0, 1], not clipped",
        cost="at most 1 + `beam` (n² + n - 2) an image and n - 1 a map; 49 cells, greedy: 2,400 and 48",
        source="Edin et al. 2024", formula="(AOPC - worst) / (best - worst), cells removed one by one",
        notes="the search is not exhaustive: an order may beat the best found (above 1) or fall below the worst (below"
        " 0); cells blur what is finer than they are (edges of a small lesion score like the lesion); a random order "
        "is not at 0.5; NaN `best and worst order are equal` where they differ by less than 1e-6"),
    Metric("infidelity", "faithfulness", "Infidelity",
        "How far is the change of the output from what the heatmap foretells, when the image is disturbed at random?",
        better="lower", module="infidelity", cite=("yeh2019",), range="[0, 1], at most the mean squared fall",
        cost="`samples` an image, whatever the number of maps", source="Yeh et al. 2019",
        formula="mean over squares I of (β IᵀΦ - (f(x) - f(x without I)))², β the best scale, never below 0",
        notes="perturbation: one random square, a quarter of the side, to the first baseline, the same for all maps "
        "and models; in squared probability, so not comparable between models; captum (`normalize=True`) lets β be "
        "negative and takes a map and its opposite for equally good"),
    Metric("road_morf", "faithfulness", "ROAD, hottest first",
        "How much does the probability change when the hottest pixels are replaced by a blend of their neighbours?",
        better="lower", module="road", cite=("rong2022",),
        range="[-1, 1]; 0 for a map whose most relevant pixels do not matter",
        source="Rong et al. 2022; pytorch-grad-cam `ROADMostRelevantFirstAverage`",
        formula="mean over percentiles p of `P(target | the most relevant pixels imputed) - P(target | image)`"),
    Metric("road_lerf", "faithfulness", "ROAD, coldest first",
        "How much does the probability change when the coldest pixels are replaced by a blend of their neighbours?",
        module="road", cite=("rong2022",),
        range="[-1, 1]; near 0 where what is removed does not matter",
        source="Rong et al. 2022; pytorch-grad-cam `ROADLeastRelevantFirstAverage`",
        formula="the same, the least relevant pixels imputed"),
    Metric("road", "faithfulness", "ROAD",
        "How much more certain does the model stay when the coldest pixels are replaced than the hottest?",
        module="road", cite=("rong2022", "gildenblat2021"),
        range="[-1/2, 1/2]; 0 for an order that tells nothing",
        source="pytorch-grad-cam `ROADCombined`", formula="`(road_lerf - road_morf) / 2`"),
    Metric("iou_seeds", "consistency", "Overlap between trainings",
        "How large is the overlap of the half-hot areas of two trainings, of 1?", short="IoU between seeds",
        range="0 to 1", cost="none",
        formula="mean over all pairs of seeds of IoU(1[L_s >= .5], 1[L_s' >= .5])",
        notes="of a model, not of a checkpoint; one seed is NaN"),
    Metric("iou_reference", "consistency", "Overlap with the first training",
        "How large is the overlap of the half-hot areas with the first training's?", cite=("panboonyuen2026",),
        range="0 to 1", cost="none", source="Eq. 6 of arXiv 2601.12826",
        formula="the same with the first seed alone", notes="depends on which seed comes first"),
    Metric("rank_correlation_seeds", "consistency", "Rank correlation between trainings",
        "Do two trainings rank the pixels of an image in the same order? 1 is the same order, 0 is no relation.",
        range="-1 to 1", cost="none", formula="mean over all pairs of seeds of Spearman's correlation",
        notes="maps that always look at the centre agree: read it beside `other_image`"),
    Metric("iou_models", "consistency", "Overlap between models",
        "How large is the overlap with the half-hot areas of the other models?", cite=("panboonyuen2026",),
        range="0 to 1", cost="none", source="Eq. 6 of arXiv 2601.12826, over architectures",
        formula="mean over the other models m' and seeds s of IoU(1[L_m,s >= .5], 1[L_m',s >= .5])",
        notes="grids differ between architectures, so agreement is bounded by the coarser one; models that cannot "
        "carry the method are left out of the mean, and a model alone is NaN \"one model\"; checkpoints that explain "
        "different classes (`target: predicted`) are NaN"),
    Metric("rank_correlation_models", "consistency", "Rank correlation between models",
        "Do the other models rank the pixels of an image in the same order? 1 is the same order, 0 is no relation.",
        range="-1 to 1", cost="none", formula="the same with Spearman's correlation",
        notes="all models that look at the centre agree: read it beside `other_image`"),
    Metric("rank_correlation_methods", "agreement", "Rank correlation with other methods",
        "Do the other methods rank the pixels of an image in the same order? 1 is the same order, 0 is no relation.",
        short="rank correlation with the maps of other methods", range="-1 to 1",
        formula="mean over the other methods of Spearman's correlation, equal pixels sharing their mean rank"),
    Metric("iou_methods", "agreement", "Overlap with other methods",
        "How large is the overlap with the half-hot areas of the other methods' heatmaps, of 1?",
        short="IoU with the maps of other methods", range="0 to 1",
        formula="mean over the other methods of the IoU of L >= 0.5"),
    *(
        Metric(
            f"rank_correlation_{key}", "robustness", f"Rank correlation, {CHANGES[key]}", _IN_THE_SAME_ORDER,
            cite=_EQUIVARIANCE, range="-1 to 1", cost="1 each",
            source="equivariance, as in Wang et al. 2020 (SEAM), Crabbe & van der Schaar 2023",
            formula="rho(T(L(x)), L(T(x))) over the pixels that were in the frame before and after",
            notes="T: mirror left and right; 5 % of the side in whole pixels along both axes; 10 degrees; x 1.1 or / "
            "1.1; directions drawn from the study and the image, equal for all models. Bilinear between pixel centres "
            "for image and map alike; mirror and shift copy values exactly; the border is repeated, as in training. A "
            "model whose answer changes may change its map with right: the index of the variants stores what it "
            "predicted. Pixel maps (gradients) are rough and score lower than CAMs without being wrong",
        )
        for key in ("flip", "shift", "rotate", "scale")
    ),
    Metric("rank_correlation_noise", "robustness", f"Rank correlation, {CHANGES['noise']}",
        _IN_THE_SAME_ORDER,
        range="-1 to 1", cost="1", formula="rho(L(x), L(x + N(0, .02)))",
        notes="noise on values in [0, 1], cut to that range"),
    Metric("rank_correlation_window", "robustness", f"Rank correlation, {CHANGES['window']}",
        _IN_THE_SAME_ORDER,
        range="-1 to 1", cost="1",
        formula="rho(L(x), L(w(x))), w stretches the lower or the upper 9/10 of the range over all of it",
        notes="where density is the evidence, as in CT, a window changes the evidence, and some maps change with "
        "right"),
    Metric("rank_correlation_transforms", "robustness", "Rank correlation under changes",
        "Are the pixels of the changed image's heatmap ranked as in the first heatmap, changed in the same way? Mean "
        "over all kinds of changes; 1 is the same order, 0 is no relation.",
        short="rank correlation between changed images", cite=_EQUIVARIANCE, range="-1 to 1",
        cost="none more", formula="mean of those that the study asks for",
        notes="NaN where one of them is: means over different transformations are not comparable. A map that ignores "
        "the image scores high (`center`: .99): read localization beside it"),
    Metric("max_sensitivity", "robustness", "Largest sensitivity",
        "By how much of its own size does the heatmap change at most, when a little noise is added to the image?",
        better="lower", cite=("yeh2019",), range="0 to infinity", cost="`sensitivity.draws`",
        source="Yeh et al. 2019; relative, as in Captum",
        formula="max over draws d, abs(d) <= r, of norm(L(x + d) - L(x)) / norm(L(x))",
        notes="grows with the number of draws; depends on scale as well as on pattern (maps are raw); neighbours are "
        "cut to [0, 1], which takes none out of the box; 0 for a constant map-maker (`center`). Equal to "
        "`captum.metrics.sensitivity_max` to 1e-5 on the same draws; Captum divides by 1 where a map is all zero, "
        "here that is NaN"),
    *_of_changed_models("cascade", "weights randomized from the top",
        "How alike do the heatmaps before and after look? 1 is the same picture.",
        "How alike are the heatmaps before and after, in the order of their pixels? 0 is no relation.",
        short="rank correlation with the maps of randomized weights", cite=("adebayo2018",),
        source="Adebayo et al. 2018, 3.1", cost="`randomize.layers`",
        formula="mean over depths k of S(L_f(x), L_f_k(x)), f_k = f with its layers from the head down to k as before "
        "training", notes="see below"),
    *_of_changed_models("independent", "one layer randomized", "How alike do the heatmaps before and after look?",
        "How alike are the heatmaps before and after, in the order of their pixels? 0 is no relation.",
        cite=("adebayo2018",), source="Adebayo et al. 2018, 3.2", cost="`randomize.layers` - 1 more",
        formula="mean over layers k of S with layer k alone as before training",
        notes="residual networks pass by one layer, so it stays far above the cascade"),
    *_of_changed_models("random_labels", "model of shuffled labels",
        "How alike are the heatmaps to those of a model that was trained on shuffled labels?",
        cite=("adebayo2018",), source="Adebayo et al. 2018, 4", cost="1, and a training a model and fold",
        formula="S with the map of the model trained on shuffled labels, same class",
        notes="only of the first seed; labels are permuted image by image, so a class share of them stays right"),
    *_of_changed_models("random_target", "another class",
        "How alike are the heatmaps of the true class and of another one?",
        cite=("sixt2020",), source="class sensitivity, Sixt et al. 2020", cost="1",
        formula="S with the map for another class, drawn for the image",
        notes="with two classes logits are near opposites: signed maps go to -1, absolute ones (saliency) stay near 1"),
    Metric("sparseness", "complexity", "Sparseness (Gini)",
        "How unevenly is the heat spread? 0 is everywhere the same, 1 is one point.", better="none",
        cite=("chalasani2020", "hurley2009"), range="0 (even) to 1 - 1/n",
        source="Chalasani et al. 2020, Hurley and Rickard 2009", formula="Gini index of |relevance|"),
    Metric("entropy", "complexity", "Entropy", "How widely is the heat spread, in nats? The larger, the wider.",
        better="none", cite=("bhatt2020",), range="0 to ln n (even)", source="Bhatt et al. 2020",
        formula="entropy of |relevance| over pixels, in nats"),
    Metric("effective_area", "complexity", "Effective area",
        "Which share of the image would the heat take up if it were spread evenly?", better="none",
        range="1/n to 1 (even)", source="inverse participation ratio",
        formula="(Σ|a|)² / (n Σ a²): the share of the image that the relevance would fill evenly"),
)}  # fmt: skip


def metrics_of(family: str) -> dict[str, Metric]:
    """Return the metrics of a family by name."""
    return {name: metric for name, metric in METRICS.items() if metric.family == family}


def find_metric(name: str, family: str = "") -> Metric | None:
    """Find the metric that a name stands for, None where there is none.

    A variant of a metric (another baseline, `deletion_auc_blur`; a layer, a transformation) is named after it: it is
    the one with the longest name that the variant's begins with, of the same family if there is one.
    """
    if name in METRICS:
        return METRICS[name]
    named = [metric for metric in METRICS.values() if name.startswith(f"{metric.name}_")]
    own = [metric for metric in named if metric.family == family]
    return max(own or named, key=lambda metric: len(metric.name), default=None)


def better(family: str, name: str) -> str:
    """Return which values of a metric or variant are good: `higher`, `lower`, or `none` (descriptive).

    A family whose metrics all have one direction gives it to what is named after none of them.

    Raises:
        KeyError: neither is so; a direction is never guessed.
    """
    if metric := find_metric(name, family):
        return metric.better
    directions = {metric.better for metric in metrics_of(family).values()}
    if len(directions) != 1:
        raise KeyError(f"{name}: a metric of {family} that is not registered; its direction is not known")
    return directions.pop()


def needs_lesion(name: str) -> bool:
    """Return whether a metric of localization needs a lesion's truth; of a region it needs only that."""
    metric = find_metric(name)
    return metric is None or not metric.region


def judged_by_truth(family: str, name: str) -> bool:
    """Return whether the true region has to score well: by localization, and by a metric that nothing is known of.

    What a model uses need not be the true region, so that other families are judged whatever the true region scores.
    Of a user's own table each metric is a family.
    """
    if family not in FAMILIES:
        metric = find_metric(name)
        family = metric.family if metric else "localization"
    return FAMILIES[family].by_truth
