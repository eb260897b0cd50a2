"""What each metric is called, and the question that it answers, for a reader who never heard of it."""

METRICS = {
    "localization_accuracy": (
        "Localization accuracy",
        "How much of the marked region is at least half hot? A map that is hot everywhere scores 1, so read it "
        "only beside the others.",
    ),
    "iou": ("Overlap (IoU)", "How large is the overlap of the half-hot area and the marked region, of 1?"),
    "iou_area": (
        "Overlap at the region's size",
        "Take as many of the hottest pixels as the marked region has: how large is their overlap with it, of 1?",
    ),
    "pointing_game": ("Pointing game", "How often is the hottest point inside the marked region?"),
    "pointing_game_tolerance": (
        "Pointing game with tolerance",
        "How often is the hottest point inside the marked region or a few pixels beside it?",
    ),
    "energy_pointing_game": (
        "Energy pointing game",
        "Which share of all heat, counted from the coldest point, lies inside the marked region?",
    ),
    "relevance_mass_accuracy": ("Relevance mass accuracy", "Which share of all heat lies inside the marked region?"),
    "relevance_rank_accuracy": (
        "Relevance rank accuracy",
        "Take as many of the hottest pixels as the marked region has: which share of them lies inside it?",
    ),
    "pixel_auroc": (
        "Pixel AUROC",
        "How often is a pixel of the marked region hotter than one outside? Half the time is chance.",
    ),
    "pixel_auprc": (
        "Pixel average precision",
        "Of the pixels as hot as one of the marked region or hotter, which share lies inside it, on average?",
    ),
    "peak_distance": ("Distance of the peak", "How many pixels is the hottest point away from the marked region?"),
    "hit_rate": ("Hit rate", "How often is the hottest point, the first of equals, inside the marked region?"),
    "lesion_hit_rate": ("Lesions hit", "Which share of the marked regions of an image does the heatmap hit?"),
    "box_iou": ("Overlap of boxes", "How large is the overlap of the boxes around hot area and marked region, of 1?"),
    "outside_body": ("Heat outside the body", "Which share of all heat lies outside the body, where nothing can be?"),
    "outside_lungs": ("Heat outside the lungs", "Which share of all heat lies outside the lungs?"),
    "on_border": ("Heat on the image's border", "Which share of all heat lies on the band along the image's edges?"),
    "inside_cue": ("Heat on the planted cue", "Which share of all heat lies where the planted cue is, or would be?"),
    "faithfulness_probability": (
        "Drop in probability",
        "How far does the probability of the true class fall when the hot parts are dimmed?",
    ),
    "faithfulness_logit": (
        "Drop in logit",
        "How far does the model's raw output for the true class fall when the hot parts are dimmed?",
    ),
    "deletion_auc": (
        "Deletion area",
        "How certain does the model stay while the hottest pixels are covered first?",
    ),
    "insertion_auc": (
        "Insertion area",
        "How certain does the model become while the hottest pixels are uncovered first?",
    ),
    "srg": (
        "Symmetric relevance gain",
        "How much more does the model lose when the hottest pixels are covered first than when the coldest are? "
        "A map without meaning gets about 0.",
    ),
    "aopc_morf": (
        "Mean loss, hottest first",
        "How much certainty is lost on average while the hottest pixels are covered first?",
    ),
    "aopc_lerf": (
        "Mean loss, coldest first",
        "How much certainty is lost on average while the coldest pixels are covered first?",
    ),
    "naopc": (
        "Normalized loss",
        "How near does the order of the heatmap come to the best order that was found for this model (1), counted from "
        "the worst (0)?",
    ),
    "average_drop": (
        "Average drop",
        "Which share of its certainty does the model lose when it sees the hot parts alone?",
    ),
    "increase_in_confidence": (
        "Increase in confidence",
        "How often is the model more certain when it sees the hot parts alone?",
    ),
    "road_morf": (
        "ROAD, hottest first",
        "How much does the probability change when the hottest pixels are replaced by a blend of their neighbours?",
    ),
    "road_lerf": (
        "ROAD, coldest first",
        "How much does the probability change when the coldest pixels are replaced by a blend of their neighbours?",
    ),
    "road": (
        "ROAD",
        "How much more certain does the model stay when the coldest pixels are replaced than the hottest?",
    ),
    "infidelity": (
        "Infidelity",
        "How far is the change of the output from what the heatmap foretells, when the image is disturbed at random?",
    ),
    "iou_seeds": (
        "Overlap between trainings",
        "How large is the overlap of the half-hot areas of two trainings, of 1?",
    ),
    "iou_reference": (
        "Overlap with the first training",
        "How large is the overlap of the half-hot areas with the first training's?",
    ),
    "rank_correlation_seeds": (
        "Rank correlation between trainings",
        "Do two trainings rank the pixels of an image in the same order? 1 is the same order, 0 is no relation.",
    ),
    "iou_models": ("Overlap between models", "How large is the overlap with the half-hot areas of the other models?"),
    "rank_correlation_models": (
        "Rank correlation between models",
        "Do the other models rank the pixels of an image in the same order? 1 is the same order, 0 is no relation.",
    ),
    "rank_correlation_methods": (
        "Rank correlation with other methods",
        "Do the other methods rank the pixels of an image in the same order? 1 is the same order, 0 is no relation.",
    ),
    "iou_methods": (
        "Overlap with other methods",
        "How large is the overlap with the half-hot areas of the other methods' heatmaps, of 1?",
    ),
    "rank_correlation_transforms": (
        "Rank correlation under changes",
        "Are the pixels of the changed image's heatmap ranked as in the first heatmap, changed in the same way? Mean "
        "over all kinds of changes; 1 is the same order, 0 is no relation.",
    ),
    "max_sensitivity": (
        "Largest sensitivity",
        "By how much of its own size does the heatmap change at most, when a little noise is added to the image?",
    ),
    "rank_correlation_cascade": (
        "Rank correlation, weights randomized from the top",
        "How alike are the heatmaps before and after, in the order of their pixels? 0 is no relation.",
    ),
    "ssim_cascade": (
        "Likeness (SSIM), weights randomized from the top",
        "How alike do the heatmaps before and after look? 1 is the same picture.",
    ),
    "rank_correlation_independent": (
        "Rank correlation, one layer randomized",
        "How alike are the heatmaps before and after, in the order of their pixels? 0 is no relation.",
    ),
    "ssim_independent": ("Likeness (SSIM), one layer randomized", "How alike do the heatmaps before and after look?"),
    "rank_correlation_random_labels": (
        "Rank correlation, model of shuffled labels",
        "How alike are the heatmaps to those of a model that was trained on shuffled labels?",
    ),
    "ssim_random_labels": (
        "Likeness (SSIM), model of shuffled labels",
        "How alike are the heatmaps to those of a model that was trained on shuffled labels?",
    ),
    "rank_correlation_random_target": (
        "Rank correlation, another class",
        "How alike are the heatmaps of the true class and of another one?",
    ),
    "ssim_random_target": (
        "Likeness (SSIM), another class",
        "How alike are the heatmaps of the true class and of another one?",
    ),
    "sparseness": ("Sparseness (Gini)", "How unevenly is the heat spread? 0 is everywhere the same, 1 is one point."),
    "entropy": ("Entropy", "How widely is the heat spread, in nats? The larger, the wider."),
    "effective_area": ("Effective area", "Which share of the image would the heat take up if it were spread evenly?"),
}
_CHANGES = {
    "flip": "flipped image",
    "shift": "shifted image",
    "rotate": "turned image",
    "scale": "scaled image",
    "noise": "image with noise",
    "window": "another brightness window",
}
VARIANTS = {
    "mean": "covered with the mean",
    "zero": "covered with black",
    "blur": "covered with the blurred image",
    "imputation": "covered with a blend of the neighbours",
} | _CHANGES
METRICS |= {
    f"rank_correlation_{key}": (
        f"Rank correlation, {change}",
        "Are the pixels of the changed image's heatmap ranked as in the first heatmap, changed in the same way?",
    )
    for key, change in _CHANGES.items()
}
