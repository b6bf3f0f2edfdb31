"""The deployment file: schema, loading, checking, what it would start, and the deployments that are shipped."""

from greenroom.config._deployment import Deployment, shipped_file, shipped_names
from greenroom.config._describing import describe
from greenroom.config._loading import json_schema, load, parse
from greenroom.config._schema import DeploymentFile
from greenroom.config._starter import starter
from greenroom.config.errors import ConfigError, Problem

__all__ = [
    "ConfigError",
    "Deployment",
    "DeploymentFile",
    "Problem",
    "describe",
    "json_schema",
    "load",
    "parse",
    "shipped_file",
    "shipped_names",
    "starter",
]
