"""U-Net, after O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical
Image Segmentation", MICCAI 2015.

Two departures from the paper, both customary today: 3 x 3 convolutions are padded, so that the
output has the input's size, and batch normalisation may stand between each convolution and its
ReLU.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Norm = Literal["batch", "none"]
Upsampling = Literal["transposed", "interpolated"]


def double_conv(inputs: int, outputs: int, norm: Norm) -> nn.Sequential:
    """Two 3 x 3 convolutions with ReLU, each normalised if asked: (N, inputs, H, W) -> (N, outputs,
    H, W).
    """
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers.append(nn.Conv2d(channels, outputs, kernel_size=3, padding=1, bias=norm == "none"))
        if norm == "batch":
            layers.append(nn.BatchNorm2d(outputs))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def upsampling_block(inputs: int, outputs: int, upsampling: Upsampling) -> nn.Module:
    """Twice the height and width: (N, inputs, H, W) -> (N, outputs, 2H, 2W)."""
    if upsampling == "transposed":
        return nn.ConvTranspose2d(inputs, outputs, kernel_size=2, stride=2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=1),
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
    )


def channels_per_level(width: int, depth: int, max_width: int) -> list[int]:
    """Feature channels of each level, finest first: `width` doubled at every level, never more than
    `max_width`.
    """
    if depth < 2 or width < 1 or max_width < width:
        raise ValueError(
            f"a network needs depth >= 2 and 1 <= width <= max_width; got {depth=}, {width=}, "
            f"{max_width=}"
        )
    return [min(width * 2**level, max_width) for level in range(depth)]


class UNet(nn.Module):
    """Contracting path, bottleneck, expanding path with skips.

    Args:
        in_channels: channels of the input, 1 for a grey image.
        out_channels: channels of the logits, one for each class.
        width: feature channels of the finest level; doubled at each deeper one.
        depth: number of resolutions, the input's included. Input height and width must be multiples
            of 2 ** (depth - 1).
        norm: "batch", or "none" for the paper's own, which has no normalisation.
        upsampling: "transposed" convolution as in the paper, or bilinear "interpolated" after a 1 x
            1 convolution.
        max_width: no level has more channels than this.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 3,
        *,
        width: int = 16,
        depth: int = 5,
        norm: Norm = "batch",
        upsampling: Upsampling = "transposed",
        max_width: int = 1024,
    ) -> None:
        super().__init__()
        c = channels_per_level(width, depth, max_width)
        self.depth = depth
        self.down = nn.ModuleList(
            double_conv(inputs, outputs, norm)
            for inputs, outputs in zip([in_channels, *c], c, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(
            upsampling_block(c[i + 1], c[i], upsampling) for i in range(depth - 1)
        )
        self.merge = nn.ModuleList(double_conv(2 * c[i], c[i], norm) for i in range(depth - 1))
        self.head = nn.Conv2d(c[0], out_channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> logits (N, out_channels, H, W)."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)  # (N, c[level], H / 2^level, W / 2^level)
            skips.append(x)
        for level in reversed(range(self.depth - 1)):
            x = self.up[level](x)  # (N, c[level], H / 2^level, W / 2^level)
            x = self.merge[level](torch.cat([skips[level], x], dim=1))  # the same shape
        logits: Tensor = self.head(x)
        return logits
