"""Metrics: name, question, direction, and needs of each."""

import re
from dataclasses import dataclass
from math import inf
from typing import ClassVar, Literal

from heatproof.catalogue.families import FAMILIES


@dataclass(frozen=True)
class Metric:
    """A metric. Its function is attached by `@metric(name)`, in a module of `heatproof.score.metrics`.

    Attributes:
        family: the one of `FAMILIES` whose job computes it.
        title: its name in the report.
        question: what it answers, for a reader who is new to it.
        short: its name within a sentence; by default `name` without underscores.
        better: which values are good, `none` where it only describes.
        module: of `heatproof.score.metrics`, with its function; by default the one named after the family.
        region: of the image, needed instead of a lesion's mask (`data.regions`).
        peak: whether the most representative point decides, so that a reader's is taken where one was set.
        blank: whether a reader who drew nothing scores 0, and not no score.
        tuned: whether a threshold is tuned on heatmaps of validation images (`explain.validation`).
        baselines: whether it is computed for further baselines too, under its name and theirs (`srg_blur`).
        claim: what heatmaps do that score well by it, where it differs from its family's claim.
        cite: keys of `report/paper/references.bib`, none where the definition needs no source.
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

    COMPUTED: ClassVar = ("region", "peak", "blank", "tuned")  # what the job of its family reads besides the path

    @property
    def path(self) -> str:
        """The module with its function."""
        return f"heatproof.score.metrics.{self.module or MODULES.get(self.family, self.family)}"

    @property
    def span(self) -> float:
        """The largest difference that two values can have, infinity where there is none.

        >>> [METRICS[name].span for name in ("iou", "srg", "peak_distance")]
        [1.0, 2.0, inf]
        """
        ends = re.match(r"\[?(-?\d)(?:,| to| or) (1)\b", self.range)
        return float(ends[2]) - float(ends[1]) if ends else inf


MODULES = {"agreement": "consistency", "robustness": "changes", "sanity": "changes"}  # family: another module
CHANGES = {
    "flip": "flipped image",
    "shift": "shifted image",
    "rotate": "rotated image",
    "scale": "scaled image",
    "noise": "noisy image",
    "window": "another brightness window",
}
BASELINES = {
    "mean": "covered by the mean",
    "zero": "covered by black",
    "blur": "covered by the blurred image",
    "imputation": "covered by interpolated neighbours",
}
VARIANTS = BASELINES | CHANGES  # the end of a variant's name -> its words
_IN_THE_SAME_ORDER = (
    "Does the changed image's heatmap rank the pixels like the original heatmap, transformed in the same way?"
)
_EQUIVARIANCE = ("wang2020seam", "crabbe2023")


def _of_changed_models(kind: str, title: str, *questions: str, cite: tuple[str, ...], short: str = "", **docs: str):
    """Return both metrics that compare a map with that of a changed model: by SSIM, and by rank correlation."""
    shared = {"better": "lower", "range": "-1 to 1"} | docs
    ssim = short.replace("rank correlation", "SSIM")
    likeness, correlation = f"Similarity (SSIM), {title}", f"Rank correlation, {title}"
    return (
        Metric(f"ssim_{kind}", "sanity", likeness, questions[0], ssim, cite=(*cite, "wang2004"), **shared),
        Metric(f"rank_correlation_{kind}", "sanity", correlation, questions[-1], short, cite=cite, **shared),
    )


METRICS = {metric.name: metric for metric in (
    Metric("localization_accuracy", "localization", "Localization accuracy",
        "Which share of the marked region has at least half of the maximum relevance? A map that is high everywhere "
        "scores 1, so read it together with other metrics.", cite=("panboonyuen2026",), range="0 to 1",
        source="arXiv 2601.12826, Eq. 4",
        formula="share of M where L is at least 0.5; recall alone, so a map of ones would score 1", blank=True),
    Metric("iou", "localization", "Overlap (IoU)",
        "How much does the area of at least half the maximum relevance overlap the marked region (0 to 1)?",
        short="IoU", range="0 to 1",
        formula="intersection over union of L >= 0.5 and M", blank=True),
    Metric("iou_tuned", "localization", "Overlap at the tuned threshold (mIoU)",
        "How much does the area above the threshold that fits the label best in validation images overlap the marked "
        "region (0 to 1)?", short="mIoU", cite=("saporta2022",), range="0 to 1",
        source="Saporta et al. 2022 (cheXlocalize)",
        formula="IoU of L >= t and M; t of .2, .3, ..., .8 with the largest mean over validation images of the label",
        notes="only in studies with `explain.validation`; every method and control has its own thresholds",
        cost="the heatmaps of validation images", blank=True, tuned=True),
    Metric("iou_area", "localization", "Overlap at the region's size",
        "How much do the top-k relevant pixels overlap the marked region, where k is that region's size (0 to 1)?",
        range="0 to 1",
        formula="the same of the |M| most relevant pixels, ties by exact expectation; no threshold"),
    Metric("relevance_rank_accuracy", "localization", "Relevance rank accuracy",
        "Which share of the top-k relevant pixels lies inside the marked region, where k is that region's size?",
        cite=("arras2022",), range="0 to 1", source="Arras et al. 2022",
        formula="share of the |M| most relevant pixels that lie in M"),
    Metric("relevance_mass_accuracy", "localization", "Relevance mass accuracy",
        "Which share of all relevance lies inside the marked region?", cite=("arras2022",), range="0 to 1",
        source="Arras et al. 2022", formula="share of positive relevance in M"),
    Metric("energy_pointing_game", "localization", "Energy pointing game",
        "Which share of all relevance, measured from the minimum, lies inside the marked region?", cite=("wang2020",),
        range="0 to 1", source="Wang et al. 2020",
        formula="share of L in M: as mass, but counted from the least relevant pixel, not from zero"),
    Metric("pixel_auroc", "localization", "Pixel AUROC",
        "How often is a pixel inside the marked region more relevant than one outside? Chance is 0.5.",
        range="0 to 1, chance 0.5", formula="probability that a pixel of M is above one outside, ties half"),
    Metric("pixel_auprc", "localization", "Pixel average precision",
        "Of the pixels at least as relevant as one inside the marked region, which share is inside, on average?",
        short="average precision",
        cite=("davis2006",), range="0 to 1, chance the share of M", source="Davis and Goadrich 2006",
        formula="average precision of the pixels, ties together"),
    Metric("pointing_game", "localization", "Pointing game", "How often is the most relevant pixel inside the marked "
        "region?",
        cite=("zhang2018",), range="0 to 1", source="Zhang et al. 2018",
        formula="whether the maximum lies in M; of several maxima the share", peak=True, blank=True),
    Metric("pointing_game_tolerance", "localization", "Pointing game with tolerance",
        "How often is the most relevant pixel inside the marked region or within a few pixels of it?",
        cite=("zhang2018",),
        range="0 to 1", source="Zhang et al. 2018",
        formula="the same, in M or within `score.localization.tolerance` of the side of it (default 0.067, 15 of 224 "
        "pixels)", peak=True, blank=True),
    Metric("hit_rate", "localization", "Hit rate",
        "How often is the most relevant pixel, the first of equals, inside the marked region?", cite=("saporta2022",),
        range="0 or 1", source="Saporta et al. 2022 (cheXlocalize)",
        formula="whether the first maximum lies in M, 1 or 0", peak=True, blank=True),
    Metric("peak_distance", "localization", "Distance of the peak",
        "How many pixels is the most relevant pixel away from the marked region?", better="lower", range="from 0",
        formula="pixels from the maximum to the nearest of M", peak=True),
    Metric("lesion_hit_rate", "localization", "Lesions hit",
        "Which share of the marked regions of an image does the heatmap hit?", cite=("chakraborty1990",),
        range="0 to 1", source="lesion localization fraction, Chakraborty and Winter 1990",
        formula="share of lesions in which a connected part of L >= 0.5 has its maximum; recall alone", blank=True),
    Metric("box_iou", "localization", "Overlap of boxes",
        "How much do the boxes around the most relevant area and the marked region overlap (0 to 1)?",
        cite=("zhou2016", "choe2020"), range="0 to 1", source="Zhou et al. 2016, Choe et al. 2020",
        formula="IoU of the boxes around the largest connected part of L >= 0.5 and around the lesion it fits best",
        blank=True),
    Metric("outside_body", "localization", "Relevance outside the body",
        "Which share of all relevance lies outside the body, where no evidence can be?",
        short="relevance outside the body",
        better="lower", region="body", claim="stay within the body better than", range="0 to 1",
        formula="share of positive relevance outside the body; needs no lesion truth"),
    Metric("outside_lungs", "localization", "Relevance outside the lungs",
        "Which share of all relevance lies outside the lungs?", short="relevance outside the lungs", better="lower",
        region="lungs", claim="stay within the lungs better than",
        range="0 to 1", formula="the same outside the lungs"),
    Metric("on_border", "localization", "Relevance on the image border",
        "Which share of all relevance lies in a band along the image's edges?", short="relevance on the border",
        better="lower", region="border", claim="avoid the image border better than", range="0 to 1",
        formula="share of positive relevance on the band along the image's edges (`data.regions: [border]`), 5 % of "
        "the side wide; an even map scores the share of the image that the band covers (about 0.19)"),
    Metric("inside_cue", "localization", "Relevance on the planted cue",
        "Which share of all relevance lies where the planted cue is, or would be?", short="relevance on the cue",
        better="none",
        region="cue", range="0 to 1",
        formula="share of positive relevance where a planted cue is, or would be (`data.shortcut`, `data.regions: "
        "[cue]`); it should match what the model uses, so neither high nor low is better"),
    Metric("deletion_auc", "faithfulness", "Deletion area",
        "How confident does the model stay while the most relevant pixels are covered first?", better="lower",
        baselines=True,
        cite=("petsiuk2018",), range="[0, 1]", cost="with insertion: 2B(S-1) a map, at most B+1 an image",
        source="Petsiuk et al. 2018", formula="area under f, most relevant removed first, trapezoid rule",
        notes="not comparable between models; out of distribution; depends on the baseline"),
    Metric("insertion_auc", "faithfulness", "Insertion area",
        "How confident does the model become while the most relevant pixels are uncovered first?", baselines=True,
        cite=("petsiuk2018",), range="[0, 1]", cost="the same passes", source="Petsiuk et al. 2018",
        formula="area under f, most relevant inserted first into b", notes="the same"),
    Metric("srg", "faithfulness", "Symmetric relevance gain",
        "How much more confidence does the model lose when the most relevant pixels are covered first than when the "
        "least relevant are? An uninformative map scores about 0.", short="symmetric relevance gain", baselines=True,
        cite=("bluecher2024",),
        range="[-1, 1], 0 for a random order", cost="none more", source="Blücher et al. 2024",
        formula="insertion_auc - deletion_auc", notes="depends on the baseline"),
    Metric("aopc_morf", "faithfulness", "AOPC, most relevant first",
        "How much confidence is lost on average while the most relevant pixels are covered first?", baselines=True,
        cite=("samek2017",), range="[-1, 1]", cost="none more", source="Samek et al. 2017",
        formula="mean over k = 0..S of f(x) - f(x_k), most relevant removed first",
        notes="deletion AUC under another name: (S+1)(f(x) - aopc_morf) = S deletion_auc + (f(x) + f(b))/2 where steps"
        " are equally wide"),
    Metric("aopc_lerf", "faithfulness", "AOPC, least relevant first",
        "How much confidence is lost on average while the least relevant pixels are covered first?", better="lower",
        baselines=True, cite=("samek2017",), range="[-1, 1]", cost="none more", source="Samek et al. 2017",
        formula="the same, least relevant first", notes="insertion AUC under another name, the same identity"),
    Metric("faithfulness_logit", "faithfulness", "Drop in logit",
        "How far does the logit of the true class drop when the relevant parts are dimmed?",
        module="confidence", cite=("panboonyuen2026",), range="any", cost="1 a map", source="arXiv 2601.12826, Eq. 5",
        formula="logit(x) - logit(x ⊙ (1 - L))",
        notes="black where relevance is high, whatever the baselines; a map that is high everywhere scores well; the "
        "scale "
        "of the logits depends on the model"),
    Metric("faithfulness_probability", "faithfulness", "Drop in probability",
        "How far does the probability of the true class drop when the relevant parts are dimmed?", module="confidence",
        cite=("panboonyuen2026",), range="[-1, 1]", cost="the same pass", source="arXiv 2601.12826, Eq. 5",
        formula="f(x) - f(x ⊙ (1 - L))", notes="the same"),
    Metric("average_drop", "faithfulness", "Average drop",
        "Which share of its confidence does the model lose when it sees only the relevant parts?", better="lower",
        module="confidence", cite=("chattopadhay2018",), range="[0, 1]", cost="1 a map",
        source="Chattopadhay et al. 2018", formula="max(0, f(x) - f(x ⊙ L)) / f(x)",
        notes="black where relevance is low; a map that is high nearly everywhere drops nothing; the paper reports "
        "percent, "
        "as the mean over images"),
    Metric("increase_in_confidence", "faithfulness", "Increase in confidence",
        "How often is the model more confident when it sees only the relevant parts?", module="confidence",
        cite=("chattopadhay2018",), range="0 or 1", cost="the same pass", source="Chattopadhay et al. 2018",
        formula="1[f(x) < f(x ⊙ L)]",
        notes="equal is no increase; 0 for all maps where there is no evidence against the target"),
    Metric("naopc", "faithfulness", "Normalized AOPC",
        "How close is the order of the heatmap to the best order found for this model (1), relative to the worst (0)?",
        module="naopc", cite=("edin2024",), range="about [0, 1], not clipped",
        cost="at most 1 + `beam` (n² + n - 2) an image and n - 1 a map; 49 cells, greedy: 2,400 and 48",
        source="Edin et al. 2024", formula="(AOPC - worst) / (best - worst), cells removed one by one",
        notes="the search is not exhaustive: an order may exceed the best one found (above 1) or fall below the worst "
        "(below 0); cells blur finer structures (edges of a small lesion score like the lesion); a random order "
        "is not at 0.5; NaN `best and worst order are equal` where they differ by less than 1e-6"),
    Metric("infidelity", "faithfulness", "Infidelity",
        "How far is the change of the output from what the heatmap predicts, when the image is perturbed at random?",
        better="lower", module="infidelity", cite=("yeh2019",), range="[0, 1], at most the mean squared fall",
        cost="`samples` an image, whatever the number of maps", source="Yeh et al. 2019",
        formula="mean over squares I of (β IᵀΦ - (f(x) - f(x without I)))², β the best scale, never below 0",
        notes="perturbation: one random square, a quarter of the side, to the first baseline, the same for all maps "
        "and models; in squared probability, so not comparable between models; captum (`normalize=True`) allows "
        "negative β and so rates a map and its opposite equally"),
    Metric("road_morf", "faithfulness", "ROAD, most relevant first",
        "How much does the probability change when the most relevant pixels are interpolated from their neighbours?",
        better="lower", module="road", cite=("rong2022",),
        range="[-1, 1]; 0 for a map whose most relevant pixels do not matter",
        source="Rong et al. 2022; pytorch-grad-cam `ROADMostRelevantFirstAverage`",
        formula="mean over percentiles p of `P(target | the most relevant pixels imputed) - P(target | image)`"),
    Metric("road_lerf", "faithfulness", "ROAD, least relevant first",
        "How much does the probability change when the least relevant pixels are interpolated from their neighbours?",
        module="road", cite=("rong2022",),
        range="[-1, 1]; near 0 where what is removed does not matter",
        source="Rong et al. 2022; pytorch-grad-cam `ROADLeastRelevantFirstAverage`",
        formula="the same, the least relevant pixels imputed"),
    Metric("road", "faithfulness", "ROAD",
        "How much more confident is the model without the least relevant pixels than without the most relevant ones?",
        module="road", cite=("rong2022", "gildenblat2021"),
        range="[-1/2, 1/2]; 0 for an uninformative order",
        source="pytorch-grad-cam `ROADCombined`", formula="`(road_lerf - road_morf) / 2`"),
    Metric("iou_seeds", "consistency", "Overlap between training runs",
        "How much do the most relevant areas of two training runs overlap (0 to 1)?", short="IoU between seeds",
        range="0 to 1", cost="none",
        formula="mean over all pairs of seeds of IoU(1[L_s >= .5], 1[L_s' >= .5])",
        notes="of a model, not of a checkpoint; one seed is NaN"),
    Metric("iou_reference", "consistency", "Overlap with the first training run",
        "How much do the most relevant areas overlap those of the first training run (0 to 1)?",
        cite=("panboonyuen2026",),
        range="0 to 1", cost="none", source="Eq. 6 of arXiv 2601.12826",
        formula="the same with the first seed alone", notes="depends on which seed comes first"),
    Metric("rank_correlation_seeds", "consistency", "Rank correlation between training runs",
        "Do two training runs rank the pixels of an image in the same order? 1: same order; 0: unrelated.",
        short="rank correlation between training runs",
        range="-1 to 1", cost="none", formula="mean over all pairs of seeds of Spearman's correlation",
        notes="maps that always mark the centre agree: compare with `other_image`"),
    Metric("iou_models", "consistency", "Overlap between models",
        "How much do the most relevant areas overlap those of the other models (0 to 1)?", cite=("panboonyuen2026",),
        range="0 to 1", cost="none", source="Eq. 6 of arXiv 2601.12826, over architectures",
        formula="mean over the other models m' and seeds s of IoU(1[L_m,s >= .5], 1[L_m',s >= .5])",
        notes="grids differ between architectures, so agreement is bounded by the coarser one; models that do "
        "not support the method are left out of the mean, and a model alone is NaN \"one model\"; checkpoints that "
        "explain "
        "different classes (`target: predicted`) are NaN"),
    Metric("rank_correlation_models", "consistency", "Rank correlation between models",
        "Do the other models rank the pixels of an image in the same order? 1: same order; 0: unrelated.",
        short="rank correlation between models",
        range="-1 to 1", cost="none", formula="the same with Spearman's correlation",
        notes="models that always mark the centre agree: compare with `other_image`"),
    Metric("rank_correlation_methods", "agreement", "Rank correlation with other methods",
        "Do the other methods rank the pixels of an image in the same order? 1: same order; 0: unrelated.",
        short="rank correlation with other methods", range="-1 to 1",
        formula="mean over the other methods of Spearman's correlation, equal pixels sharing their mean rank"),
    Metric("iou_methods", "agreement", "Overlap with other methods",
        "How much do the most relevant areas overlap those of the other methods (0 to 1)?",
        short="IoU with other methods", range="0 to 1",
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
            "model whose prediction changes may rightly change its map: the index of the variants stores the "
            "prediction. Pixel maps (gradients) are noisy and score lower than CAMs without being wrong",
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
        notes="where density is the evidence, as in CT, a window changes the evidence, and some maps rightly change"),
    Metric("rank_correlation_transforms", "robustness", "Rank correlation under image changes",
        "Does the changed image's heatmap rank the pixels like the original heatmap, transformed in the same way? Mean "
        "over all kinds of changes. 1: same order; 0: unrelated.",
        short="rank correlation under image changes", cite=_EQUIVARIANCE, range="-1 to 1",
        cost="none more", formula="mean of those in the study",
        notes="NaN where one of them is: means over different transformations are not comparable. A map that ignores "
        "the image scores high (`center`: .99): read it together with localization"),
    Metric("max_sensitivity", "robustness", "Largest sensitivity",
        "What is the largest relative change of the heatmap when a little noise is added to the image?",
        better="lower", cite=("yeh2019",), range="0 to infinity", cost="`sensitivity.draws`",
        source="Yeh et al. 2019; relative, as in Captum",
        formula="max over draws d, abs(d) <= r, of norm(L(x + d) - L(x)) / norm(L(x))",
        notes="grows with the number of draws; depends on scale as well as on pattern (maps are raw); neighbours are "
        "cut to [0, 1], which takes none out of the box; 0 for a constant map-maker (`center`). Equal to "
        "`captum.metrics.sensitivity_max` to 1e-5 on the same draws; Captum divides by 1 where a map is all zero, "
        "here that is NaN"),
    *_of_changed_models("cascade", "weights randomized from the top",
        "How similar do the heatmaps look before and after? 1: identical.",
        "How similar is the order of the pixels before and after? 0: unrelated.",
        short="rank correlation with randomized weights", cite=("adebayo2018",),
        source="Adebayo et al. 2018, 3.1", cost="`randomize.layers`",
        formula="mean over depths k of S(L_f(x), L_f_k(x)), f_k = f with its layers from the head down to k as before "
        "training", notes="see below"),
    *_of_changed_models("independent", "one layer randomized", "How similar do the heatmaps look before and after?",
        "How similar is the order of the pixels before and after? 0: unrelated.",
        cite=("adebayo2018",), source="Adebayo et al. 2018, 3.2", cost="`randomize.layers` - 1 more",
        formula="mean over layers k of S with layer k alone as before training",
        notes="residual networks bypass a single layer, so it stays far above the cascade"),
    *_of_changed_models("random_labels", "model trained on shuffled labels",
        "How similar are the heatmaps to those of a model trained on shuffled labels?",
        cite=("adebayo2018",), source="Adebayo et al. 2018, 4", cost="1, and one training run per model and fold",
        formula="S with the map of the model trained on shuffled labels, same class",
        notes="only of the first seed; labels are permuted image by image, so a class share of them stays right"),
    *_of_changed_models("random_target", "another class",
        "How similar are the heatmaps of the true class and of another class?",
        cite=("sixt2020",), source="class sensitivity, Sixt et al. 2020", cost="1",
        formula="S with the map for another class, drawn for the image",
        notes="with two classes logits are near opposites: signed maps go to -1, absolute ones (saliency) stay near 1"),
    Metric("sparseness", "complexity", "Sparseness (Gini)",
        "How unevenly is the relevance spread? 0: the same everywhere; 1: a single pixel.", better="none",
        cite=("chalasani2020", "hurley2009"), range="0 (even) to 1 - 1/n",
        source="Chalasani et al. 2020, Hurley and Rickard 2009", formula="Gini index of |relevance|"),
    Metric("entropy", "complexity", "Entropy", "How widely is the relevance spread (in nats)? Larger is wider.",
        better="none", cite=("bhatt2020",), range="0 to ln n (even)", source="Bhatt et al. 2020",
        formula="entropy of |relevance| over pixels, in nats"),
    Metric("effective_area", "complexity", "Effective area",
        "Which share of the image would the relevance cover if spread evenly?", better="none",
        range="1/n to 1 (even)", source="inverse participation ratio",
        formula="(Σ|a|)² / (n Σ a²): the share of the image that the relevance would fill evenly"),
)}  # fmt: skip


def metrics_of(family: str) -> dict[str, Metric]:
    """Return the metrics of a family by name."""
    return {name: metric for name, metric in METRICS.items() if metric.family == family}


def find_metric(name: str, family: str = "") -> Metric | None:
    """Find the metric of a name, None where there is none.

    A variant of a metric (another baseline, `deletion_auc_blur`; a layer, a transformation) has a longer name that
    begins with the metric's. The longest such name counts, of the same family if there is one.
    """
    if name in METRICS:
        return METRICS[name]
    named = [metric for metric in METRICS.values() if name.startswith(f"{metric.name}_")]
    own = [metric for metric in named if metric.family == family]
    return max(own or named, key=lambda metric: len(metric.name), default=None)


def better(family: str, name: str) -> str:
    """Return which values of a metric or variant are good: `higher`, `lower`, or `none` (descriptive).

    An unknown metric of a family whose metrics all have one direction has that direction.

    Raises:
        KeyError: the direction is unknown; it is never guessed.
    """
    if metric := find_metric(name, family):
        return metric.better
    directions = {metric.better for metric in metrics_of(family).values()}
    if len(directions) != 1:
        raise KeyError(f"{name}: a metric of {family} that is not registered; its direction is not known")
    return directions.pop()


def needs_lesion(name: str) -> bool:
    """Return whether a localization metric needs a lesion's mask, rather than another region's."""
    metric = find_metric(name)
    return metric is None or not metric.region


def judged_by_truth(family: str, name: str) -> bool:
    """Return whether the true region has to score well: by localization, and by an unknown metric.

    A model need not use the true region, so other families get verdicts whatever the true region scores. In a
    user-supplied table, each metric is a family.
    """
    if family not in FAMILIES:
        metric = find_metric(name)
        family = metric.family if metric else "localization"
    return FAMILIES[family].by_truth
