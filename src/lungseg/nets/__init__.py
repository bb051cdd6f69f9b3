"""The two networks: U-Net and U-Net++, in plain torch, one page each."""

from lungseg.nets.unet import UNet
from lungseg.nets.unetpp import UNetPlusPlus

__all__ = ["UNet", "UNetPlusPlus"]
