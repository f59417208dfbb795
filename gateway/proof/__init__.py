"""The canary proof: words that stand nowhere else are planted everywhere, then looked for."""
