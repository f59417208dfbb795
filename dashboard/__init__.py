"""The web pages: a client of the contract like any other, beside the REST bridge."""
