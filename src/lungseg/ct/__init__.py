"""The wing of CT: slices, inference, trachea, bowel gas, postprocessing, measuring and judging;
`segment` knows their order.
"""
