# SPDX-License-Identifier: MIT
"""tools/trace: what is read out of a trace. Nothing here knows the machine, only docs/trace-format.md.

reader.py reads lines; calls.py makes POSIX calls with their messages and costs of them; handles.py follows capabilities; each other
module prints one thing.
"""
