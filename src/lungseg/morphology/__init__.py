"""Connected components, holes, hulls, dilation and histograms: functions on arrays that know no
lung.
"""
