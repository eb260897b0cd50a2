"""What families, methods and controls are called on the page, and what they are."""

from typing import NamedTuple


class Family(NamedTuple):
    """`controls` are those that are fair to its metrics, and the ceiling, a yardstick, where there is one.

    `short` is its heading in a table of all families, `beaten` what a count of its models with a good verdict counts.
    """

    title: str
    asks: str
    controls: tuple[str, ...] = ()
    short: str = ""
    beaten: str = "better than the controls"


ACCURACY = "Do the models know what they are looking at?"
_GIVEN = ("random", "center", "lowres_noise", "mean_mask", "edges", "other_image")
FAMILIES = {
    "localization": Family(
        "Do the heatmaps mark the right place?",
        "Localization compares the hot area of a heatmap with the region that the image's truth mask marks.",
        (*_GIVEN, "ceiling"),
        "right place",
    ),
    "faithfulness": Family(
        "Do the models use what the heatmaps mark?",
        "Faithfulness covers parts of the image in the order of the heatmap and asks the model again: if the hot "
        "parts matter to the model, its certainty must fall.",
        (*_GIVEN, "truth"),
        "used by the model",
    ),
    "consistency": Family(
        "Does training again give the same heatmaps?",
        "Consistency compares the heatmaps of one architecture that was trained several times from different "
        "random starts, image by image.",
        ("other_image",),  # a blob agrees with itself, and two noises by how much of the image they cover
        "same when trained again",
    ),
    "agreement": Family(
        "Do the methods agree with each other?",
        "Agreement compares the heatmaps that different methods make of one image and one model. Where they mark "
        "different places, not all of them can show what the model uses; where they agree, all may still be wrong.",
        _GIVEN,
        "same by other methods",
    ),
    "robustness": Family(
        "Do the heatmaps follow the image when it is changed a little?",
        "Robustness flips, shifts, turns or scales an image, adds noise or changes its brightness window, and "
        "compares the new heatmap with the first one, changed in the same way: they should be alike.",
        ("other_image",),
        "same when the image is changed",
    ),
    "sanity": Family(
        "Do the heatmaps depend on what the model learnt?",
        "The sanity check destroys what the model learnt, by random weights in more and more layers from the top "
        "down, and compares the new heatmaps with the first ones: they should no longer be alike, so lower is better. "
        "A heatmap that stays as it was shows the image, not the model.",
        ("other_image",),
        "gone with random weights",
        "changed more than from image to image",
    ),
    "complexity": Family(
        "How much of the image do the heatmaps mark?",
        "Complexity describes how concentrated the heat is. No value is good or bad, so nothing is tested.",
        (*_GIVEN, "truth"),
        "concentrated",
    ),
}

# What a method does, with its sign convention.
_WEIGHTED = "the maps of one layer, weighted by {} and added; what speaks against the class is cut to zero"
METHODS = {
    "gradcam": _WEIGHTED.format("the mean of their gradients"),
    "gradcam_plus_plus": _WEIGHTED.format("gradients that count each place where a class shows"),
    "hirescam": _WEIGHTED.format("their gradient, place by place"),
    "layercam": _WEIGHTED.format("their positive gradient, place by place"),
    "xgradcam": _WEIGHTED.format("gradients that are scaled by how active a map is"),
    "eigencam": "the strongest common pattern of the maps of one layer: it asks for no class, and its sign is a choice",
    "eigengradcam": "the strongest common pattern of activation times gradient of one layer; its sign is a choice",
    "scorecam": _WEIGHTED.format("the answer of the model to the image seen through each map"),
    "ablationcam": _WEIGHTED.format("what the model loses without each of them"),
    "saliency": "size of the gradient at each pixel: how much a small change there moves the output, either way",
    "input_x_gradient": "pixel times gradient; signed: below zero speaks against the class",
    "guided_backprop": "gradient that passes only what is positive at each ReLU, so for networks with ReLU; signed: "
    "below zero speaks against the class",
    "integrated_gradients": "gradient summed up from a black image on; signed: below zero speaks against the class",
    "deeplift": "difference to a black image, handed back layer by layer; signed: below zero speaks against the class",
    "smoothgrad": "size of the mean gradient over noisy copies of the image, either way",
    "occlusion": "what the output loses when a square is hidden; signed: below zero speaks against the class",
    "attnlrp": "the output handed back layer by layer, by rules made for attention; signed: below zero speaks against "
    "the class",
    "attention_rollout": "the attention of all blocks multiplied; it asks for no class and is never below zero",
    "generic_attention": "attention weighted by its gradient, block by block; what speaks against the class is cut off",
}

CONTROLS = {
    "random": "random noise",
    "center": "centre blob",
    "lowres_noise": "coarse noise",
    "mean_mask": "mean training mask",
    "edges": "edges of the image",
    "other_image": "another image's map",
    "ceiling": "the truth at this grid",
    "truth": "the truth itself",
}
YARDSTICKS = ("ceiling", "truth")
CONTROLS_EXPLAINED = {
    "random": "a heatmap of pure noise",
    "center": "one blob in the middle of every image",
    "lowres_noise": "noise as coarse as the model's own heatmaps",
    "mean_mask": "the mean of all true regions of the training images: where lesions usually are",
    "edges": "the edges in the image, which no model was needed to find",
    "other_image": "the model's heatmap of a different image",
    "ceiling": "the true region itself, blurred to the coarse grid on which the model's heatmaps are computed (a "
    "yardstick for what the grid costs; a sharper map can pass it)",
    "truth": "the true region itself, taken for a heatmap (a yardstick; what a model uses need not be the true region)",
}
