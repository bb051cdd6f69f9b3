"""U-Net++, after Z. Zhou, M. M. R. Siddiquee, N. Tajbakhsh, J. Liang, "UNet++: A Nested U-Net
Architecture for Medical Image Segmentation", DLMIA 2018.

Nodes are named as in the paper: x_i_j stands at resolution i (0 is the finest) in column j of the
nested skip pathways, so x_i_0 is the encoder and x_0_j are the outputs, one for each depth of U-Net
inside.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lungseg.nets.unet import Norm, Upsampling, channels_per_level, double_conv, upsampling_block


class UNetPlusPlus(nn.Module):
    """Nested dense skip pathways, with deep supervision.

    Args:
        in_channels: channels of the input, 1 for a grey image.
        out_channels: channels of the logits, one for each class.
        width: feature channels of the finest level; doubled at each deeper one.
        depth: number of resolutions, the input's included. Input height and width must be multiples
            of 2 ** (depth - 1).
        norm: "batch" or "none".
        upsampling: "transposed" convolution, or bilinear "interpolated" after a 1 x 1 convolution.
        max_width: no level has more channels than this.
        deep_supervision: a head on every x_0_j; their logits are averaged ("accurate mode" of the
            paper), and in training mode `forward_all` gives each for a loss of its own. Without it,
            one head on the last node.
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
        deep_supervision: bool = True,
    ) -> None:
        super().__init__()
        c = channels_per_level(width, depth, max_width)
        self.depth = depth
        self.deep_supervision = deep_supervision
        self.pool = nn.MaxPool2d(2)
        self.x = nn.ModuleDict()  # the convolution block of node x_i_j, under the name "i_j"
        self.up = (
            nn.ModuleDict()
        )  # the up-sampling of node x_{i+1}_{j-1} on its way to x_i_j, under "i_j"
        for i in range(depth):
            self.x[f"{i}_0"] = double_conv(c[i - 1] if i else in_channels, c[i], norm)
        for j in range(1, depth):
            for i in range(depth - j):
                self.up[f"{i}_{j}"] = upsampling_block(c[i + 1], c[i], upsampling)
                self.x[f"{i}_{j}"] = double_conv((j + 1) * c[i], c[i], norm)
        heads = depth - 1 if deep_supervision else 1
        self.heads = nn.ModuleList(
            nn.Conv2d(c[0], out_channels, kernel_size=1) for _ in range(heads)
        )

    def forward_all(self, x: Tensor) -> list[Tensor]:
        """(N, in_channels, H, W) -> logits (N, out_channels, H, W) of each head, the shallowest
        first.
        """
        node: dict[tuple[int, int], Tensor] = {}
        for i in range(self.depth):
            x = self.x[f"{i}_0"](self.pool(x) if i else x)
            node[i, 0] = x  # (N, c[i], H / 2^i, W / 2^i), as is every x_i_j
        for j in range(1, self.depth):
            for i in range(self.depth - j):
                skips = [node[i, k] for k in range(j)]  # every earlier node of the same resolution
                raised = self.up[f"{i}_{j}"](node[i + 1, j - 1])
                node[i, j] = self.x[f"{i}_{j}"](torch.cat([*skips, raised], dim=1))
        outputs = [node[0, j] for j in range(1, self.depth)]
        if not self.deep_supervision:
            outputs = outputs[-1:]
        return [head(output) for head, output in zip(self.heads, outputs, strict=True)]

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> logits (N, out_channels, H, W), the mean of the heads."""
        return torch.stack(self.forward_all(x)).mean(dim=0)
