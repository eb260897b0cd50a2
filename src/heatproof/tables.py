"""Columns of the tables below `results/`, and the type of each."""

TEXT, INTEGER, NUMBER, FLAG = "str", "Int64", "float64", "bool"

MANIFEST = {
    "image_id": TEXT,
    "sha256": TEXT,
    "source": TEXT,
    "label": INTEGER,
    "group": TEXT,
    "split": TEXT,
    "truth": TEXT,
    "width": INTEGER,
    "height": INTEGER,
}
# as it is stored: a column a fold, `fold0`, `fold1`, ..., `random0`, ..., in place of `split`
DEALT = {column: kind for column, kind in MANIFEST.items() if column != "split"} | {"fold0": TEXT}
FACTS = {
    "image_id": TEXT,
    "mode": TEXT,
    "format": TEXT,
    "quality": NUMBER,
    "bytes": INTEGER,
    "top": INTEGER,
    "bottom": INTEGER,
    "left": INTEGER,
    "right": INTEGER,
    "same_pixels": INTEGER,  # row of the first image with equal decoded pixels; no digest, which one could look up
    "truth_kept": NUMBER,  # share of the truth's area that preprocessing left; NaN without truth
    "cue": FLAG,  # whether `data.shortcut` was drawn in
}
QUARANTINE = {"source": TEXT, "reason": TEXT}
AUDIT = {
    "probe": TEXT,
    "stage": TEXT,
    "split": TEXT,
    "balanced_accuracy": NUMBER,
    "low": NUMBER,
    "high": NUMBER,
    "chance": NUMBER,
    "p": NUMBER,
    "groups": INTEGER,
}
AUDIT_PAIRS = {
    "image_a": TEXT,
    "image_b": TEXT,
    "similarity": NUMBER,
    "kind": TEXT,
    "label_a": TEXT,
    "label_b": TEXT,
    "split_a": TEXT,
    "split_b": TEXT,
}
HISTORY = {
    "epoch": INTEGER,
    "lr": NUMBER,
    "train_loss": NUMBER,
    "val_loss": NUMBER,
    "val_balanced_accuracy": NUMBER,
}
PREDICTIONS = {"image_id": TEXT, "split": TEXT, "label": INTEGER, "predicted": INTEGER}  # and p_0, p_1, ...
HEATMAPS = {
    "image_id": TEXT,
    "group": TEXT,
    "method": TEXT,
    "target": INTEGER,
    "predicted": INTEGER,
    "layer": TEXT,
    "grid_height": INTEGER,
    "grid_width": INTEGER,
    "degenerate": TEXT,  # why a map cannot be scored, or ""
    "variant": TEXT,  # "" for the map of the image itself; else what was changed
    "row": INTEGER,  # of maps.npy; -1 where there is no map
    "gap": NUMBER,  # of completeness, where the method promises it
    "signed": FLAG,
}
SCORES = {
    "image_id": TEXT,
    "group": TEXT,
    "model": TEXT,
    "seed": INTEGER,
    "method": TEXT,
    "metric": TEXT,
    "value": NUMBER,
    "reason": TEXT,
}
