-- Versions of policies that this deployment has published: a published text never changes.
CREATE TABLE policy_version (
    policy_id    text        NOT NULL, -- `privacy`
    version      date        NOT NULL,
    sha256       bytea       NOT NULL, -- of its Markdown
    effective_at timestamptz NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    announced_at timestamptz,          -- mailed to all holders
    CONSTRAINT policy_version_pkey PRIMARY KEY (policy_id, version),
    CONSTRAINT policy_version_is_sha256 CHECK (octet_length(sha256) = 32)
);
