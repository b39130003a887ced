# SPDX-License-Identifier: GPL-2.0-only
"""
Renders these pages alone, as the kernel's "make htmldocs" renders them:

    KERNEL_SOURCE=/path/to/linux sphinx-build -W Documentation OUTPUT

The extensions are those of the kernel source, Linux 7.3 or later.
"""

import os
import sys

from sphinx.errors import ConfigError

_kernel = os.environ.get("KERNEL_SOURCE", "")
_top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

if not os.path.exists(os.path.join(_kernel, "Documentation/sphinx/kerneldoc.py")):
    raise ConfigError("KERNEL_SOURCE must be the path of a kernel source, Linux 7.3 or later")

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(_kernel, "Documentation/sphinx"))
sys.path.insert(0, os.path.join(_kernel, "tools/lib/python"))
sys.path.insert(0, os.path.join(_kernel, "tools/net/ynl/pyynl/lib"))

# The tree that the extensions read from
os.environ["srctree"] = _top

project = "Virtio SST"
extensions = ["kerneldoc", "kernel_abi", "automarkup", "parser_yaml"]
kerneldoc_srctree = _top
primary_domain = "c"
# The kernel's attributes are no C.
c_id_attributes = ["__user"]
highlight_language = "none"
html_copy_source = False
html_theme = "alabaster"
