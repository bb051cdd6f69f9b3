"""Training: data, augmentation, loss, the Lightning module, one function that runs it all, and the
export to ONNX and card.
"""
