"""U-Net's recipe, as far as numbers go: its data are pictures with masks, which the caller brings."""
from architectures.recipes.recipe import MASKS, Recipe
from minidl.utils.data.transforms import ToFloat

UNET = Recipe(
    "unet_masks", "unet", MASKS, "Ronneberger et al. 2015, section 3: one tile, momentum so high that many tiles count; "
    "the loss weighs pixels by pixel_weights(w0=10, sigma=5). The paper gives no rate and no number of epochs: these are "
    "made up. Its shifts, turns and elastic deformations, of picture and mask alike, are not here",
    epochs=100, batch_size=1, lr=0.001, optimizer_options={"momentum": 0.99}, prepare=(ToFloat(),))
