# %% [markdown]
# # Lungs of a film and of a CT in five minutes
#
# Everything here runs on a laptop, without a GPU and without a network: the models come with the package, and the patients are drawn.
# Put the path of your own film, or the folder of your own series, in their place.

# %%
import lungseg
from lungseg.phantom.ct import ct_phantom
from lungseg.phantom.radiograph import radiograph_phantom

film = radiograph_phantom((512, 512), seed=3).image  # or lungseg.read("film.dcm")
lungseg.show(film)

# %% [markdown]
# ## A film
#
# A result as the last line of a cell shows whether to rely on the mask, the mask itself, and what was measured on it.

# %%
result = lungseg.segment(film)
result

# %% [markdown]
# The mask is an array on the film's own grid: 1 is the patient's right lung, 2 the left one. Every number has a unit.

# %%
area = result.measurements["area", "right lung"]
print(result.mask.shape, result.mask.dtype, sorted(set(result.mask.ravel().tolist())))
print(f"right lung: {area.value:.0f} {area.unit}; verdict: {result.verdict.status}")

# %% [markdown]
# Several results make a sheet. One of these films is of a chest with fluid in a lung.

# %%
films = [
    radiograph_phantom((512, 512), seed=seed, consolidation=0.8 * (seed == 5)).image
    for seed in (4, 5, 6, 7)
]
segmenter = lungseg.Segmenter()  # keeps its model loaded
lungseg.show([segmenter(one) for one in films])

# %% [markdown]
# ## A CT
#
# In a notebook with `ipywidgets` (`pip install "lungseg[notebook]"`) a volume and its result have a slider over the slices; without it slices in three
# planes are shown.

# %%
scan = ct_phantom().volume  # or lungseg.read("folder/of/a/series")
found = lungseg.segment(scan)
found

# %%
lungseg.show(scan)

# %% [markdown]
# ## Files
#
# `save` writes masks and pictures on the input's own grid; `lungseg segment FOLDER -o OUT` does it for thousands.

# %%
for name, path in found.save("out", name="scan", overwrite=True).items():
    print(name, path)
