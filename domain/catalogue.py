"""Every aggregate of the domain, found by looking into this package: adding a file is enough.

Importing this fills the catalogues of events, commands and rules.
"""

from importlib import import_module
from pkgutil import iter_modules

import domain

for module in iter_modules(domain.__path__, "domain."):
    if module.name != __name__:
        import_module(module.name)
