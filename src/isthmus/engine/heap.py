"""What the process does with memory that it has freed: GNU's C library gives large pieces back to the system.

They come again page by page, each filled with zeros: of a ResNet-20 on 32x32 images an update lost a tenth of its
time so (benchmarks/README.md).
"""

import ctypes

# As malloc.h numbers them. Above the second's value the library takes no notice of what it is asked.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_TRIM, _LARGEST_MMAP = 2**31 - 1, 2**25


def keep() -> None:
    """Have this process keep up to 2 GB that it frees, in pieces of up to 32 MB, for its next tensors.

    Nothing is done where the C library is another.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _LARGEST_TRIM)
        mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP)
