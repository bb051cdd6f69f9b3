"""The wing of radiographs: orientation, inference, postprocessing, measuring and judging; `segment`
knows their order.
"""
