-- Versions of policies that this deployment has published: a published text never changes, and is
-- here so that it is still shown when its file is gone.
CREATE TABLE policy_version (
    policy_id    text        NOT NULL, -- `privacy`
    version      date        NOT NULL,
    sha256       bytea       NOT NULL, -- of its title and Markdown
    title        text        NOT NULL,
    markdown     text        NOT NULL, -- with placeholders
    effective_at timestamptz NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    told_to      uuid,                 -- the last person who was mailed; by id
    announced_at timestamptz,          -- who had a verified address by then was mailed
    CONSTRAINT policy_version_pkey PRIMARY KEY (policy_id, version),
    CONSTRAINT policy_version_is_sha256 CHECK (octet_length(sha256) = 32)
);

CREATE FUNCTION policy_never_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a published policy never changes'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'policy_version_never_changes';
END $$;

CREATE TRIGGER policy_version_never_changes BEFORE UPDATE ON policy_version
    FOR EACH ROW
    WHEN ((OLD.policy_id, OLD.version, OLD.sha256, OLD.title, OLD.markdown, OLD.effective_at)
          IS DISTINCT FROM
          (NEW.policy_id, NEW.version, NEW.sha256, NEW.title, NEW.markdown, NEW.effective_at))
    EXECUTE FUNCTION policy_never_changes();

-- Which server keys a process knows, by names that tell nothing of them: before something is sealed
-- again, everybody who may have to read it knows the key.
CREATE TABLE process_secrets (
    epoch      bigint      NOT NULL, -- of its lease
    seals_with text        NOT NULL,
    knows      text[]      NOT NULL,
    noted_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT process_secrets_pkey PRIMARY KEY (epoch)
);
