"""The plug-ins as pip would install them, from their folders, for the scripts beside this file."""

import importlib.util
import os
import sys

integrations = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../integrations")


def load(name, folder):
    """A package by its folder: on the path, the folders trl and verl would hide the packages of these names."""
    place = os.path.join(integrations, folder)
    file = os.path.join(place, "__init__.py")
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=[place])
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_plugin(folder):
    """The plug-in of a trainer, and what it stands on."""
    load("outcome_exploration", "outcome_exploration")
    return load(f"outcome_exploration.{folder}", folder)
