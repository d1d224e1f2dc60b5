"""Every read model and metric, found by looking into this package: adding a file is enough."""

from importlib import import_module
from pkgutil import iter_modules

import projections
from projections import metrics

for package in (projections, metrics):
    for module in iter_modules(package.__path__, package.__name__ + "."):
        if not module.ispkg and module.name != __name__:
            import_module(module.name)
