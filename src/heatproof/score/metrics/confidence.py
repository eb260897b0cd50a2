"""How sure is the model of what the heatmap leaves, and of what it takes away? Maps as soft masks over black.

L is the map scaled to [0, 1] per image (`order.unit_scale`), and the image is multiplied by it pixel by pixel: what a
metric sees depends on the map's values, not on their order alone, and black is the only baseline, as in the papers.
Metrics are functions of a `faithfulness.Response`, float64 [maps].
"""

from torch import Tensor

from heatproof.catalogue.registry import metrics_in
from heatproof.score.metrics.faithfulness import Response

METRICS, metric = metrics_in(__name__)


@metric("faithfulness_logit")
def faithfulness_logit(response: Response) -> Tensor:
    """`f(x)_y - f(x ⊙ (1 - L))_y` of the logit (arXiv 2601.12826, Eq. 5); larger is better."""
    return response.logit - response.logit_without


@metric("faithfulness_probability")
def faithfulness_probability(response: Response) -> Tensor:
    """`f(x)_y - f(x ⊙ (1 - L))_y` of the probability (arXiv 2601.12826, Eq. 5); larger is better."""
    return response.probability - response.probability_without


@metric("average_drop")
def average_drop(response: Response) -> Tensor:
    """`max(0, f(x)_y - f(x ⊙ L)_y) / f(x)_y` of the probability (Chattopadhay et al. 2018); smaller is better.

    One image's share, in [0, 1]; the paper's is the mean over images, in percent. A map that is hot nearly everywhere
    drops nothing.
    """
    drop = (response.probability - response.probability_within).clamp(min=0)
    return drop / response.probability


@metric("increase_in_confidence")
def increase_in_confidence(response: Response) -> Tensor:
    """`1[f(x)_y < f(x ⊙ L)_y]` of the probability (Chattopadhay et al. 2018), 0 or 1; larger is better.

    The paper's is the mean over images, in percent.
    """
    rise = response.probability_within - response.probability
    return (rise > 0).to(rise.dtype).masked_fill(rise.isnan(), float("nan"))
