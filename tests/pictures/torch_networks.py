"""LPIPS with VGG16 and FID's Inception in torch, written from their papers and published files: the
originals that our modules are compared with.
"""

import torch
from torch import nn
from torch.nn import functional

WIDTHS = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512)


class LPIPS(nn.Module):
    """Names as in the published package."""

    def __init__(self):
        super().__init__()
        self.net = nn.Module()
        number, group, channels, slices = 0, 1, 3, [nn.Sequential()]
        for width in WIDTHS:
            if width == "M":
                slices.append(nn.Sequential())
                slices[-1].add_module(str(number), nn.MaxPool2d(2))
                number, group = number + 1, group + 1
                continue
            slices[-1].add_module(str(number), nn.Conv2d(channels, width, 3, padding=1))
            slices[-1].add_module(str(number + 1), nn.ReLU())
            number, channels = number + 2, width
        for index, part in enumerate(slices):
            self.net.add_module(f"slice{index + 1}", part)
        self.slices = len(slices)
        for index, width in enumerate((64, 128, 256, 512, 512)):
            line = nn.Module()
            line.model = nn.Sequential(nn.Identity(), nn.Conv2d(width, 1, 1, bias=False))
            self.add_module(f"lin{index}", line)

    def features(self, x):
        x = (x - torch.tensor([-0.030, -0.088, -0.188])[:, None, None]) / torch.tensor(
            [0.458, 0.448, 0.450]
        )[:, None, None]
        found = []
        for index in range(self.slices):
            x = getattr(self.net, f"slice{index + 1}")(x)
            found.append(x / (x.norm(dim=1, keepdim=True) + 1e-10))
        return found

    def forward(self, one, other):
        total = 0
        for index, (a, b) in enumerate(zip(self.features(one), self.features(other), strict=True)):
            total = total + getattr(self, f"lin{index}").model((a - b) ** 2).mean((1, 2, 3))
        return total


class Conv(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x):
        return functional.relu(self.bn(self.conv(x)))


def mean3(x):
    return functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class A(nn.Module):
    def __init__(self, inputs, pool):
        super().__init__()
        self.branch1x1 = Conv(inputs, 64, 1)
        self.branch5x5_1, self.branch5x5_2 = Conv(inputs, 48, 1), Conv(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = Conv(inputs, 64, 1)
        self.branch3x3dbl_2, self.branch3x3dbl_3 = Conv(64, 96, 3, 1, 1), Conv(96, 96, 3, 1, 1)
        self.branch_pool = Conv(inputs, pool, 1)

    def forward(self, x):
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        five = self.branch5x5_2(self.branch5x5_1(x))
        return torch.cat([self.branch1x1(x), five, double, self.branch_pool(mean3(x))], 1)


class B(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch3x3 = Conv(288, 384, 3, 2)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Conv(288, 64, 1), Conv(64, 96, 3, 1, 1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, 2)

    def forward(self, x):
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, functional.max_pool2d(x, 3, 2)], 1)


class C(nn.Module):
    def __init__(self, width):
        super().__init__()
        wide, tall = {"kernel": (1, 7), "padding": (0, 3)}, {"kernel": (7, 1), "padding": (3, 0)}
        self.branch1x1 = Conv(768, 192, 1)
        self.branch7x7_1, self.branch7x7_2 = Conv(768, width, 1), Conv(width, width, **wide)
        self.branch7x7_3 = Conv(width, 192, **tall)
        self.branch7x7dbl_1, self.branch7x7dbl_2 = Conv(768, width, 1), Conv(width, width, **tall)
        self.branch7x7dbl_3 = Conv(width, width, **wide)
        self.branch7x7dbl_4 = Conv(width, width, **tall)
        self.branch7x7dbl_5 = Conv(width, 192, **wide)
        self.branch_pool = Conv(768, 192, 1)

    def forward(self, x):
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(mean3(x))], 1)


class D(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch3x3_1, self.branch3x3_2 = Conv(768, 192, 1), Conv(192, 320, 3, 2)
        self.branch7x7x3_1, self.branch7x7x3_4 = Conv(768, 192, 1), Conv(192, 192, 3, 2)
        self.branch7x7x3_2 = Conv(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = Conv(192, 192, (7, 1), padding=(3, 0))

    def forward(self, x):
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        three = self.branch3x3_2(self.branch3x3_1(x))
        return torch.cat([three, self.branch7x7x3_4(seven), functional.max_pool2d(x, 3, 2)], 1)


class E(nn.Module):
    def __init__(self, inputs, pool):
        super().__init__()
        wide, tall = {"kernel": (1, 3), "padding": (0, 1)}, {"kernel": (3, 1), "padding": (1, 0)}
        self.branch1x1, self.branch3x3_1 = Conv(inputs, 320, 1), Conv(inputs, 384, 1)
        self.branch3x3_2a, self.branch3x3_2b = Conv(384, 384, **wide), Conv(384, 384, **tall)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Conv(inputs, 448, 1), Conv(448, 384, 3, 1, 1)
        self.branch3x3dbl_3a, self.branch3x3dbl_3b = Conv(384, 384, **wide), Conv(384, 384, **tall)
        self.branch_pool, self.pool = Conv(inputs, 192, 1), pool

    def forward(self, x):
        three, double = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        parts = [self.branch1x1(x), self.branch3x3_2a(three), self.branch3x3_2b(three)]
        parts += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)]
        return torch.cat([*parts, self.branch_pool(self.pool(x))], 1)


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        self.Conv2d_1a_3x3, self.Conv2d_2a_3x3 = Conv(3, 32, 3, 2), Conv(32, 32, 3)
        self.Conv2d_2b_3x3, self.Conv2d_3b_1x1 = Conv(32, 64, 3, 1, 1), Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = A(192, 32), A(256, 64), A(288, 64)
        self.Mixed_6a, self.Mixed_6b, self.Mixed_6c = B(), C(128), C(160)
        self.Mixed_6d, self.Mixed_6e, self.Mixed_7a = C(160), C(192), D()
        self.Mixed_7b = E(1280, mean3)
        self.Mixed_7c = E(2048, lambda x: functional.max_pool2d(x, 3, 1, 1))
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x):
        x = functional.interpolate(x, (299, 299), mode="bilinear", align_corners=False)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(functional.max_pool2d(x, 3, 2)))
        x = functional.max_pool2d(x, 3, 2)
        for name, block in self.named_children():
            x = block(x) if name.startswith("Mixed") else x
        return x.mean((2, 3))
