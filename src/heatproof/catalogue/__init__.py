"""What there is to know of metric families, metrics, methods, controls and reasons: one entry each, without PyTorch.

Nothing here imports from the rest of heatproof. Functions are attached to their entries by
`heatproof.catalogue.registry`.
"""
