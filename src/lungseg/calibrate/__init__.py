"""Fits what judges a model's masks, on cases that the model has not seen: the expected Dice, and of
radiographs whether a picture is one.
"""
