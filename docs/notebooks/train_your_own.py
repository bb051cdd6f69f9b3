# %% [markdown]
# # Train your own U-Net in a lunch break
#
# The fifth reference of this project is a notebook that trains a U-Net at 128 x 128 in three epochs. This is the same with
# [its recipe](../references/r5.md), without a GPU and without a network. The films are drawn here; put the folder of your own data set in
# place of `films` ([what is recognised](../datasets.md)). It needs `pip install "lungseg[train]"`.

# %%
from dataclasses import replace
from pathlib import Path

import cv2

import lungseg
from lungseg.datasets import discover_cases
from lungseg.phantom.radiograph import radiograph_phantom
from lungseg.train.finalise import finalise
from lungseg.train.fit import fit
from lungseg.train.recipes import read_recipe

for folder in ("films/images", "films/masks"):
    Path(folder).mkdir(parents=True, exist_ok=True)
for i in range(30):
    drawn = radiograph_phantom((256, 256), seed=i)
    cv2.imwrite(f"films/images/p{i}.png", drawn.image.array)
    cv2.imwrite(f"films/masks/p{i}.png", (drawn.ground_truth.labels > 0).astype("uint8") * 255)
cases = discover_cases(Path("films"))
print(len(cases), "cases with masks that do not tell right from left")

# %% [markdown]
# ## Three epochs
#
# The recipe is as in the reference: both lungs as one class, half BCE and half Dice, Adam, batches of two. A bar shows how far it is.

# %%
settings = replace(read_recipe("r5-unet-128-laptop"), epochs=3)
run = Path(f"run-{len(list(Path().glob('run-*'))) + 1}")  # another each time: none is overwritten
fit(cases, run, settings)
finished = finalise(run, with_quality_model=False)
print(
    {name: round(dice, 3) for name, dice in finished.dice.items()},
    "Dice of the",
    finished.split,
    "cases",
)

# %% [markdown]
# Losses and metrics of every epoch; a star marks the best one, whose weights were kept.

# %%
lungseg.show(run / "curves.png")

# %% [markdown]
# Image, ground truth, prediction, and the prediction on the image: the worst cases of the test split.

# %%
lungseg.show(run / "montage_worst.png")

# %% [markdown]
# ## A film that it never saw
#
# The network does not know right from left; the sides are told afterwards by where the lungs lie, and the result says so.

# %%
film = radiograph_phantom((512, 512), seed=1000).image
mine = lungseg.segment(film, lungseg.SegmentOptions(model=str(run / "model.onnx")))
mine

# %%
print(mine.sides)
