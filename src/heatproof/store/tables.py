"""Columns of the tables below `results/`, and the type of each."""

TEXT, INTEGER, NUMBER, FLAG = "str", "Int64", "float64", "bool"

MANIFEST = {
    "image_id": TEXT, "sha256": TEXT, "source": TEXT, "label": INTEGER, "group": TEXT, "split": TEXT, "truth": TEXT,
    "width": INTEGER, "height": INTEGER,
}  # fmt: skip
# as it is stored: a column a fold, `fold0`, `fold1`, ..., `random0`, ..., in place of `split`
DEALT = {column: kind for column, kind in MANIFEST.items() if column != "split"} | {"fold0": TEXT}
FACTS = {
    "image_id": TEXT, "mode": TEXT, "format": TEXT, "quality": NUMBER, "bytes": INTEGER, "top": INTEGER,
    "bottom": INTEGER, "left": INTEGER, "right": INTEGER,
    "same_pixels": INTEGER,  # row of the first image with equal decoded pixels; no digest, which one could look up
    "truth_kept": NUMBER,  # share of the truth's area that preprocessing left; NaN without truth
    "cue": FLAG,  # whether `data.shortcut` was drawn in
}  # fmt: skip
# what a reader drew of a label in an image that has a truth; `place`: 0 is the truth; `row` of readings.npy, -1 where
# nothing was drawn; `instances`: as drawn, blank where connected parts tell; `points`: "x y;x y" in the square
READINGS = {
    "image_id": TEXT, "label": INTEGER, "reader": TEXT, "place": INTEGER, "row": INTEGER, "truth": TEXT,
    "instances": INTEGER, "points": TEXT,
}  # fmt: skip
QUARANTINE = {"source": TEXT, "reason": TEXT}
AUDIT = {
    "probe": TEXT, "stage": TEXT, "split": TEXT, "balanced_accuracy": NUMBER, "low": NUMBER, "high": NUMBER,
    "chance": NUMBER, "p": NUMBER, "groups": INTEGER,
}  # fmt: skip
AUDIT_PAIRS = {
    "image_a": TEXT, "image_b": TEXT, "similarity": NUMBER, "kind": TEXT, "label_a": TEXT, "label_b": TEXT,
    "split_a": TEXT, "split_b": TEXT,
}  # fmt: skip
HISTORY = {
    "epoch": INTEGER, "lr": NUMBER, "train_loss": NUMBER, "val_loss": NUMBER, "val_balanced_accuracy": NUMBER,
}  # fmt: skip
PREDICTIONS = {"image_id": TEXT, "split": TEXT, "label": INTEGER, "predicted": INTEGER}  # and p_0, p_1, ...
BLANKED = PREDICTIONS | {"region": TEXT}  # what is blanked
HEATMAPS = {
    "image_id": TEXT, "group": TEXT, "method": TEXT, "target": INTEGER, "predicted": INTEGER, "layer": TEXT,
    "grid_height": INTEGER, "grid_width": INTEGER,
    "degenerate": TEXT,  # why a map cannot be scored, or ""
    "variant": TEXT,  # "" for the map of the image itself; else what was changed
    "row": INTEGER,  # of maps.npy; -1 where there is no map
    "gap": NUMBER,  # of completeness, where the method promises it
    "signed": FLAG,
}  # fmt: skip
SCORES = {
    "image_id": TEXT, "group": TEXT, "model": TEXT, "seed": INTEGER, "method": TEXT, "metric": TEXT, "value": NUMBER,
    "reason": TEXT,
}  # fmt: skip
# of the class's probability, as pixels of an image are removed by the first baseline, or inserted, most relevant first
CURVES = {
    "image_id": TEXT, "group": TEXT, "method": TEXT,
    "share": "float32",  # of the pixels
    "deletion": "float32", "insertion": "float32",
}  # fmt: skip


MODELS = {
    "model": TEXT, "seed": INTEGER, "images": INTEGER, "groups": INTEGER, "accuracy": NUMBER, "accuracy_low": NUMBER,
    "accuracy_high": NUMBER, "balanced_accuracy": NUMBER, "low": NUMBER, "high": NUMBER, "f1_macro": NUMBER,
    "f1_low": NUMBER, "f1_high": NUMBER, "auroc": NUMBER, "calibration_error": NUMBER, "competent": FLAG,
}  # fmt: skip
CONFUSION = {"model": TEXT, "seed": INTEGER, "label": TEXT, "predicted": TEXT, "images": INTEGER}
ROC = {"model": TEXT, "seed": INTEGER, "label": TEXT, "threshold": NUMBER, "fpr": NUMBER, "tpr": NUMBER}
CALIBRATION = {
    "model": TEXT, "seed": INTEGER, "bin": INTEGER, "confidence": NUMBER, "accuracy": NUMBER, "images": INTEGER,
}  # fmt: skip
METRICS = {
    "family": TEXT, "metric": TEXT, "method": TEXT, "model": TEXT, "mean": NUMBER, "low": NUMBER, "high": NUMBER,
    "groups": INTEGER, "missing": INTEGER, "random": NUMBER, "center": NUMBER,
}  # fmt: skip
OMNIBUS = {
    "family": TEXT, "metric": TEXT,
    "factor": TEXT,  # model or method: what is compared
    "within": TEXT,  # the method, or the model, that is held
    # friedman, rm_anova, quasi_f (against the variance between seeds), mixed; of tables with groups that lack models
    # skillings_mack, kruskal_wallis, welch; of several data sets heterogeneity, data_sets (Demsar's F)
    "test": TEXT,
    "levels": INTEGER, "groups": INTEGER,
    "dropped": INTEGER,  # groups without a value of every level
    "statistic": NUMBER, "df1": NUMBER, "df2": NUMBER,
    "effect": NUMBER,  # Kendall's W, or generalized eta squared
    "p": NUMBER,
}  # fmt: skip
PAIRS = {
    "family": TEXT, "metric": TEXT, "factor": TEXT, "within": TEXT, "a": TEXT, "b": TEXT, "groups": INTEGER,
    "difference": NUMBER,  # mean over groups of a - b
    "low": NUMBER,  # interval over groups: of these checkpoints
    "high": NUMBER,
    "effect": NUMBER,  # rank-biserial
    "cles": NUMBER,  # common language effect size
    "p": NUMBER,
    "p_corrected": NUMBER,  # Holm over the pairs of one test family
    "margin": NUMBER,
    "p_equivalent": NUMBER,  # two one-sided tests against the margin, Holm over the pairs
    "detectable": NUMBER,  # the smallest difference that would be found four times in five
    "seeds_low": NUMBER,  # interval over groups and seeds: of architectures; empty from fewer than five seeds
    "seeds_high": NUMBER,
    "p_seeds": NUMBER,  # Holm-corrected
}  # fmt: skip
CONTROLS = {
    "family": TEXT, "metric": TEXT, "method": TEXT, "model": TEXT, "control": TEXT, "groups": INTEGER,
    "difference": NUMBER,  # heatmap - control
    "low": NUMBER, "high": NUMBER, "effect": NUMBER, "p": NUMBER,
    "p_corrected": NUMBER,  # of the model, over all controls and models, in the rows that it is made from
    "verdict": TEXT,  # better, worse, unclear
}  # fmt: skip
SENSITIVITY = {
    "family": TEXT, "metric": TEXT, "method": TEXT,
    "question": TEXT,  # controls, or models
    "subject": TEXT,  # the model, or the pair `a - b`
    "missing": INTEGER,  # scores without a value that count as the worst here
    "main": TEXT, "worst_rank": TEXT, "changed": FLAG,
}  # fmt: skip
RELATIONS = {
    "family": TEXT, "metric": TEXT, "method": TEXT, "model": TEXT, "covariate": TEXT, "groups": INTEGER,
    "rho": NUMBER, "low": NUMBER, "high": NUMBER, "p": NUMBER, "p_corrected": NUMBER,
    "reason": TEXT,  # why there is no number
}  # fmt: skip
VARIANCE = {
    "family": TEXT, "metric": TEXT, "method": TEXT,
    "component": TEXT,  # group, group x model, seed, residual
    "variance": NUMBER, "share": NUMBER, "reason": TEXT,
}  # fmt: skip
CLAIMS = {
    "name": TEXT, "source": TEXT, "claim": TEXT, "family": TEXT, "metric": TEXT, "method": TEXT,
    "verdict": TEXT,  # supported, contradicted, undecided
    "effect": NUMBER, "low": NUMBER, "high": NUMBER, "p": NUMBER, "groups": INTEGER, "seeds": INTEGER,
    "evidence": TEXT,
    "change": TEXT,  # what would change the verdict
}  # fmt: skip
MISSING = {"family": TEXT, "metric": TEXT, "method": TEXT, "model": TEXT, "reason": TEXT, "scores": INTEGER}
COMPARISON = {
    "model": TEXT, "seed": INTEGER, "split": TEXT, "accuracy": NUMBER, "accuracy_low": NUMBER,
    "accuracy_high": NUMBER, "balanced_accuracy": NUMBER, "low": NUMBER, "high": NUMBER, "f1_macro": NUMBER,
    "f1_low": NUMBER, "f1_high": NUMBER, "images": INTEGER, "groups": INTEGER,
}  # fmt: skip
PUBLISHED = {
    "name": TEXT,  # of the source in the configuration; empty where the study's numbers stand alone
    "source": TEXT,
    "model": TEXT,  # or `nearest neighbour`, `most frequent class`
    "measure": TEXT,  # accuracy, f1_macro; f1_micro and f1:<label> where images have several labels
    "published": NUMBER,
    "split": TEXT,  # random, patient, lookalike
    "value": NUMBER,  # mean over seeds
    "low": NUMBER,  # the lowest of their intervals over groups
    "high": NUMBER,  # the highest
    "images": INTEGER, "groups": INTEGER,
    "seeds": INTEGER,  # 0 of what is not random
}  # fmt: skip
CUE = {
    "model": TEXT,
    "seed": INTEGER,  # empty for the mean over seeds, which verdicts are about
    "method": TEXT,  # "" for accuracy
    "metric": TEXT, "images": INTEGER, "groups": INTEGER,
    "marked": NUMBER,  # mean over groups of images with the planted cue; accuracy where it agrees with the class
    "unmarked": NUMBER,  # without it; accuracy where it conflicts
    "difference": NUMBER, "low": NUMBER, "high": NUMBER, "p": NUMBER,
    "p_corrected": NUMBER,  # Holm over methods and metrics of a model, or of one training run; controls by themselves
    "verdict": TEXT,  # shown, faint, hidden, unclear; of accuracy relies, unclear
    "reason": TEXT,  # why there is no number, or why there are fewer groups
}  # fmt: skip
LABELS = {  # of a multilabel study, as is the next
    "model": TEXT,  # or an ensemble
    "seed": INTEGER, "label": TEXT,
    "images": INTEGER,  # test images that have it
    "groups": INTEGER,  # test groups with such an image
    "counted": FLAG,  # whether means over labels and competence rest on it, too
    "f1": NUMBER, "f1_low": NUMBER, "f1_high": NUMBER, "auroc": NUMBER, "auroc_low": NUMBER, "auroc_high": NUMBER,
    "sensitivity": NUMBER, "specificity": NUMBER,
}  # fmt: skip
MULTILABEL = {
    "model": TEXT, "seed": INTEGER,
    "measure": TEXT,  # f1_micro, f1_macro, subset_accuracy, balanced_accuracy, auroc_micro, auroc_macro
    "value": NUMBER, "low": NUMBER, "high": NUMBER, "images": INTEGER, "groups": INTEGER,
}  # fmt: skip
DATASETS = {  # of a table of scores with several data sets
    "dataset": TEXT, "metric": TEXT, "method": TEXT, "model": TEXT, "mean": NUMBER, "groups": INTEGER,
}  # fmt: skip
# file name without suffix -> its columns
TABLES = {
    "models": MODELS,
    "confusion": CONFUSION,
    "roc": ROC,
    "calibration": CALIBRATION,
    "metrics": METRICS,
    "omnibus": OMNIBUS,
    "pairs": PAIRS,
    "controls": CONTROLS,
    "sensitivity": SENSITIVITY,
    "relations": RELATIONS,
    "variance": VARIANCE,
    "claims": CLAIMS,
    "missing": MISSING,
    "comparison": COMPARISON,
    "cue": CUE,
    "published": PUBLISHED,
    "labels": LABELS,  # this and the next without rows where images have one class
    "multilabel": MULTILABEL,
}
