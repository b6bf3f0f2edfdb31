"""The deployment file: schema, loading, checking, running, and the deployments that are shipped."""

from greenroom.config._assembly import Audio, Outcome, Recording, RunFailed, run
from greenroom.config._checking import check
from greenroom.config._deployment import Deployment, shipped_file, shipped_names
from greenroom.config._describing import describe
from greenroom.config._loading import json_schema, load, parse
from greenroom.config._rehearsal import RehearsedFault
from greenroom.config._schema import DeploymentFile
from greenroom.config._starter import starter
from greenroom.config.errors import ConfigError, Problem

__all__ = [
    "Audio",
    "ConfigError",
    "Deployment",
    "DeploymentFile",
    "Outcome",
    "Problem",
    "Recording",
    "RehearsedFault",
    "RunFailed",
    "check",
    "describe",
    "json_schema",
    "load",
    "parse",
    "run",
    "shipped_file",
    "shipped_names",
    "starter",
]
