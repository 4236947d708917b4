"""What every test needs before its own imports."""

import isthmus  # noqa: F401  before torch, whose products it makes reproducible
