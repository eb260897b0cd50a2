"""Explanation methods: what each computes, what it needs, and its options."""

import ast
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True)
class Method:
    """An explanation method. Its function is attached by `@method(name)`, in a module of `heatproof.explain`.

    Attributes:
        title: its usual name.
        module: of `heatproof.explain`, with its function.
        description: what it does, within a sentence.
        signed: whether negative values are evidence against the target.
        layer: whether its maps lie on the grid of the explained layer, else on the pixels.
        classless: whether its maps are the same for every class.
        cite: keys of `report/paper/references.bib`.
        source, map, sign, cost: its row in docs/methods.md.
        remarks: on some of its options, for docs/methods.md. `options` has their names and defaults.
    """

    name: str
    title: str
    module: str
    description: str
    signed: bool = False
    layer: bool = False
    classless: bool = False
    cite: tuple[str, ...] = ()
    source: str = ""
    map: str = ""
    sign: str = "signed"
    cost: str = ""
    remarks: dict[str, str] = field(default_factory=dict)

    COMPUTED: ClassVar = ("signed", "layer")  # what the job of a checkpoint's heatmaps reads besides the path

    @property
    def path(self) -> str:
        """The module with its function."""
        return f"heatproof.explain.{self.module}"


_WEIGHTED = "sum of one layer's activation maps, weighted by {}; evidence against the class is set to zero"
METHODS = {method.name: method for method in (
    Method("gradcam", "Grad-CAM", "cam",
        _WEIGHTED.format("their mean gradient"), layer=True, cite=("selvaraju2017",),
        source="Selvaraju et al., ICCV 2017", map="mean gradient", sign="positive part", cost="the shared pass"),
    Method("gradcam_plus_plus", "Grad-CAM++", "cam",
        _WEIGHTED.format("gradients that count every place where the class appears"),
        layer=True, cite=("chattopadhay2018",), source="Chattopadhay et al., WACV 2018",
        map="sum of relu(g) / (2 + g s), s the channel's sum", sign="positive part", cost="the shared pass"),
    Method("hirescam", "HiResCAM", "cam",
        _WEIGHTED.format("their gradient at each position"), layer=True, cite=("draelos2020",),
        source="Draelos & Carin, 2020", map="map: sum of g a", sign="positive part (the paper keeps both)",
        cost="the shared pass"),
    Method("layercam", "LayerCAM", "cam", _WEIGHTED.format("their positive gradient at each position"), layer=True,
        cite=("jiang2021",), source="Jiang et al., TIP 2021", map="map: sum of relu(g) a", sign="positive part",
        cost="the shared pass"),
    Method("xgradcam", "XGrad-CAM", "cam",
        _WEIGHTED.format("gradients scaled by the activation of each map"), layer=True,
        cite=("fu2020",), source="Fu et al., BMVC 2020", map="mean of g, weighted by each place's share of s",
        sign="positive part", cost="the shared pass"),
    Method("eigengradcam", "EigenGrad-CAM", "cam",
        "first principal component of activation times gradient in one layer; its sign is a convention", layer=True,
        cite=("gildenblat2021", "muhammad2020"), source="grad-cam, after Eigen-CAM",
        map="map: g a on its first principal component", sign="the sign of the sum of g a over channels",
        cost="the shared pass"),
    Method("eigencam", "Eigen-CAM", "cam",
        "first principal component of one layer's activation maps; not class-specific, and its sign is a convention",
        layer=True, classless=True, cite=("muhammad2020", "chung2025"), source="Muhammad & Yeasin, IJCNN 2020",
        map="map: a on its first principal component", sign="the largest absolute value is positive",
        cost="the shared pass"),
    Method("scorecam", "Score-CAM", "cam",
        _WEIGHTED.format("the output of the model for the image masked by each map"),
        layer=True,
        cite=("wang2020",), source="Wang et al., CVPRW 2020",
        map="softmax of the logit of the image under the channel", sign="positive part",
        cost="`channels` forward passes"),
    Method("ablationcam", "Ablation-CAM", "cam",
        _WEIGHTED.format("the drop of the output without each of them"), layer=True,
        cite=("desai2020",), source="Desai & Ramaswamy, WACV 2020", map="drop of the logit without the channel",
        sign="positive part", cost="`channels` forward passes"),
    Method("saliency", "Saliency", "gradients",
        "absolute gradient at each pixel: how much a small change there changes the output, in either direction",
        cite=("simonyan2014",), source="Simonyan et al., ICLRW 2014", map="largest absolute gradient over channels",
        sign="none", cost="one forward and backward pass"),
    Method("input_x_gradient", "Input × gradient", "gradients",
        "pixel value times gradient", signed=True, cite=("shrikumar2016",),
        source="Shrikumar et al., 2016", map="gradient times pixel", cost="one"),
    Method("smoothgrad", "SmoothGrad", "gradients",
        "absolute mean gradient over noisy copies of the image",
        cite=("smilkov2017",), source="Smilkov et al., 2017",
        map="absolute mean gradient of noisy copies, largest over channels", sign="none", cost="`samples`",
        remarks={"noise": "of the image's range"}),
    Method("guided_backprop", "Guided backprop", "gradients",
        "gradient that passes only positive values at each ReLU (networks with ReLU only)", signed=True,
        cite=("springenberg2015",), source="Springenberg et al., ICLRW 2015",
        map="gradient, positive part at every ReLU on its way", cost="one, and a forward pass"),
    Method("integrated_gradients", "Integrated Gradients", "gradients",
        "gradient accumulated from a black image to the image", signed=True,
        cite=("sundararajan2017",), source="Sundararajan et al., ICML 2017",
        map="mean gradient on the way from black, times the pixel", cost="`steps`",
        remarks={"steps": "(Gauss-Legendre)", "baseline": "(black), `mean` (of the channel) or `blur`"}),
    Method("gradient_shap", "GradientSHAP", "gradients",
        "mean gradient at random points between a black image and the noisy image, times the pixel", signed=True,
        cite=("lundberg2017", "erion2021"), source="Lundberg & Lee, NeurIPS 2017; Erion et al. 2021",
        map="mean gradient at random points of the way from black, times the pixel", cost="`samples`",
        remarks={"noise": "of the image's range"}),
    Method("deeplift", "DeepLIFT", "gradients", "difference from a black image, propagated back layer by layer",
        signed=True,
        cite=("shrikumar2017", "lundberg2017"), source="Shrikumar et al., ICML 2017",
        map="multipliers of the Rescale rule, times the pixel", cost="one, of image and reference"),
    Method("occlusion", "Occlusion", "perturbation", "drop of the output when a square is covered", signed=True,
        cite=("zeiler2014",), source="Zeiler & Fergus, ECCV 2014",
        map="drop of the logit when a square is covered, mean over all squares at a pixel",
        cost="one forward pass a square: 225",
        remarks={"stride": "(share of the side, or pixels)", "baseline": "(black), `mean` (of the channel) or `blur`"}),
    Method("rise", "RISE", "perturbation", "mean of random masks, weighted by the output under each", signed=True,
        cite=("petsiuk2018",), source="Petsiuk et al., BMVC 2018, Eq. 6",
        map="mean of random masks, weighted by the logit under each, less the mean logit",
        cost="`masks` forward passes",
        remarks={"grid": "cells a side", "share": "of the cells that are kept"}),
    Method("attention_rollout", "Attention rollout", "attention",
        "product of the attention of all blocks; not class-specific and never negative", classless=True,
        cite=("abnar2020",), source="Abnar and Zuidema, ACL 2020",
        map="product over the layers of (A + I) / 2", sign="never negative", cost="1.1 forward passes"),
    Method("generic_attention", "Generic attention", "attention",
        "attention weighted by its gradient, block by block; evidence against the class is set to zero",
        cite=("chefer2021",), source="Chefer et al., ICCV 2021, Eq. 5 and 6",
        map="from R = I, E_h[(dy/dA * A)^+] R added with every layer", sign="never negative",
        cost="2.5 forward passes"),
    Method("legrad", "LeGrad", "attention",
        "positive gradient of the class score with respect to the attention, mean over all blocks",
        cite=("bousselham2025",), source="Bousselham et al., ICCV 2025",
        map="mean over blocks, heads and queries of relu(dy/dA), y read after each block", sign="never negative",
        cost="one forward and backward pass a block"),
    Method("attnlrp", "AttnLRP", "relevance",
        "the output propagated back layer by layer, with rules for attention", signed=True,
        cite=("achtibat2024",), source="Achtibat et al., ICML 2024",
        map="the logit, propagated back layer by layer", cost="14 forward passes, 3.3 with `gamma: 0`"),
)}  # fmt: skip
CLASSLESS = tuple(name for name, method in METHODS.items() if method.classless)


@cache
def options(name: str) -> dict[str, Any]:
    """Return the options of a method with their defaults, which are the keyword-only arguments of its function."""
    path = Path(__file__).parents[1] / "explain" / f"{METHODS[name].module}.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            return {argument.arg: ast.literal_eval(default) for argument, default in pairs if default is not None}
    raise LookupError(f"{path} has no function {name}")
