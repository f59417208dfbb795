-- Tell every process when a key or an account stops being good: caches of keys listen.
-- The payload is the key's public id; empty means that any key may be concerned.

CREATE FUNCTION notify_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('reapi_keys', OLD.public_id);
    RETURN NULL;
END $$;

CREATE TRIGGER api_key_changed AFTER UPDATE OR DELETE ON api_key
    FOR EACH ROW EXECUTE FUNCTION notify_key();

CREATE FUNCTION notify_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('reapi_keys', '');
    RETURN NULL;
END $$;

CREATE TRIGGER account_changed AFTER UPDATE OR DELETE ON account
    FOR EACH ROW EXECUTE FUNCTION notify_account();
