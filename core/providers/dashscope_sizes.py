"""How large Vidu's videos are on DashScope, which takes pixels there and no ratio. Pure.

Source: Model Studio's references of Vidu Q3, text to video and reference to video: the tables of
`size`. Elsewhere Vidu takes a ratio, and HappyHorse does everywhere.
"""

from collections.abc import Mapping

from core.model import Mode

Sizes = Mapping[str, Mapping[str, str]]

# fmt: off
_TEXT: Sizes = {
    "540p":  {"16:9": "960*528",   "9:16": "528*960",   "1:1": "720*720",
              "4:3":  "816*608",   "3:4":  "608*816"},
    "720p":  {"16:9": "1280*720",  "9:16": "720*1280",  "1:1": "960*960",
              "4:3":  "1104*816",  "3:4":  "816*1104"},
    "1080p": {"16:9": "1920*1080", "9:16": "1080*1920", "1:1": "1440*1440",
              "4:3":  "1674*1238", "3:4":  "1238*1674"},
}
_REFERENCE: Sizes = {
    "540p":  {"16:9": "960*540",   "9:16": "540*960",   "1:1": "540*540",
              "4:3":  "720*540",   "3:4":  "540*720"},
    "720p":  {"16:9": "1280*720",  "9:16": "720*1280",  "1:1": "720*720",
              "4:3":  "960*720",   "3:4":  "720*960"},
    "1080p": {"16:9": "1920*1080", "9:16": "1080*1920", "1:1": "1080*1080",
              "4:3":  "1440*1080", "3:4":  "1080*1440"},
}
# fmt: on

SIZES: Mapping[Mode, Sizes] = {Mode.TEXT: _TEXT, Mode.IMAGE: _REFERENCE}
"""By what the video starts from, its resolution and its ratio; others follow their image."""

DEFAULT = "720p"
"""What a video is made in where no resolution is told."""
