"""The canary proof: words that stand nowhere else, planted everywhere, and looked for everywhere."""
