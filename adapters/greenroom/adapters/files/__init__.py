"""Audio files, read and written as rooms need them, and generated audio for trying things out."""

from greenroom.adapters.files._info import FileInfo, probe
from greenroom.adapters.files._sink import FileSink, check_output_folder
from greenroom.adapters.files._source import FileSource
from greenroom.adapters.files._tones import SilenceSource, ToneSource

__all__ = [
    "FileInfo",
    "FileSink",
    "FileSource",
    "SilenceSource",
    "ToneSource",
    "check_output_folder",
    "probe",
]
