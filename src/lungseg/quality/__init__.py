"""What a mask is likely to be worth, without knowing the ground truth: features, the fitted model,
expected Dice. For both wings.
"""
