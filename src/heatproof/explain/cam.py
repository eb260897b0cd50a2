"""Class activation maps, computed by pytorch-grad-cam."""

import torch
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn

from heatproof.explain.methods import Layer, registry

METHODS, method = registry()


@method("gradcam")
def gradcam(model: nn.Module, layer: Layer, pixels: Tensor, targets: Tensor) -> Tensor:
    """Grad-CAM (Selvaraju et al., ICCV 2017, Eq. 2): the positive part of the activations weighted by their
    mean gradient. Never negative.

    pytorch-grad-cam gives the weighted sum; its min-max scaling is left to the scores, because it
    hides which maps are all zero.
    """
    with GradCAM(model=model, target_layers=[layer.module], reshape_transform=layer.to_grid) as cam:
        logits = cam.activations_and_grads(pixels)
        logits.gather(1, targets[:, None]).sum().backward()
        activations = cam.activations_and_grads.activations[0].numpy()
        gradients = cam.activations_and_grads.gradients[0].numpy()
        summed = cam.get_cam_image(pixels, layer.module, [], activations, gradients, eigen_smooth=False)
    return torch.from_numpy(summed).clamp(min=0)
