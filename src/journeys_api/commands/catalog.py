"""Imports every module that declares commands: importing this one makes `registry.COMMANDS` whole."""

import importlib

MODULES: tuple[str, ...] = ()

for _module in MODULES:
    importlib.import_module(_module)
