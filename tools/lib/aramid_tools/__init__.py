# SPDX-License-Identifier: MIT
"""Aramid's host tools: tools/run, tools/test, tools/bench and tools/lib/linux-run are thin scripts over these modules."""
