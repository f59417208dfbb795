"""Who is behind an address that data is sent to: one table, by host.

Names and seats are as the companies' own terms gave them when this was written; a contract may be
with another company of the same group. A host that is not here is shown by its own name.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Company(NamedTuple):
    """Who it is."""

    name: str
    seat: str
    """Where, if the channel does not say where it works."""


COMPANIES: Final[Mapping[str, Company]] = {
    # Providers of the shipped catalogue.
    "aliyuncs.com": Company("Alibaba Cloud Computing Co., Ltd.", "China"),
    "api.kie.ai": Company("Kie.ai", "United States"),
    "bytepluses.com": Company("BytePlus Pte. Ltd.", "Singapore"),
    "dashscope-intl.aliyuncs.com": Company("Alibaba Cloud (Singapore) Pte. Ltd.", "Singapore"),
    "elevenlabs.io": Company("Eleven Labs Inc.", "United States"),
    "fal.run": Company("Features & Labels, Inc. (fal)", "United States"),
    "googleapis.com": Company("Google LLC", "United States"),
    "openai.azure.com": Company("Microsoft Corporation", "United States"),
    "openai.com": Company("OpenAI OpCo, LLC", "United States"),
    "openrouter.ai": Company("OpenRouter, Inc.", "United States"),
    "recraft.ai": Company("Recraft, Inc.", "United States"),
    "replicate.com": Company("Replicate, Inc.", "United States"),
    "topazlabs.com": Company("Topaz Labs LLC", "United States"),
    "vidu.cn": Company("Beijing Shengshu Technology Co., Ltd. (Vidu)", "China"),
    "vidu.com": Company("Shengshu Technology (Vidu)", "Singapore"),
    "volces.com": Company("Beijing Volcano Engine Technology Co., Ltd.", "China"),
    "wavespeed.ai": Company("WaveSpeedAI", "Singapore"),
    "x.ai": Company("X.AI LLC", "United States"),
    # Services.
    "amazonaws.com": Company("Amazon Web Services, Inc.", "United States"),
    "cloudflare.com": Company("Cloudflare, Inc.", "United States"),
    "github.com": Company("GitHub, Inc.", "United States"),
    "google.com": Company("Google LLC", "United States"),
    "r2.cloudflarestorage.com": Company("Cloudflare, Inc.", "United States"),
    "resend.com": Company("Plus Five Five, Inc. (Resend)", "United States"),
    "stripe.com": Company("Stripe, Inc.", "United States"),
}


def company(host: str) -> Company | None:
    """Who is behind *host*, by its longest ending that is known."""
    labels = host.lower().rstrip(".").split(".")
    endings = (".".join(labels[start:]) for start in range(len(labels)))
    return next((COMPANIES[ending] for ending in endings if ending in COMPANIES), None)
