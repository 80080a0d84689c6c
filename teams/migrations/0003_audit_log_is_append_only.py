"""The database itself refuses to change or delete entries of the audit log.

What may happen: the actor or the team is deleted, and the entry loses its reference to it (it keeps the name); and the
retention deletes old entries, which says so for its own transaction. It keeps the panel, and what is typed by mistake,
from touching an entry; it does not bind who may run any SQL as the panel's own user (docs/operations.md).
"""

from django.db import migrations

FORWARDS = """
CREATE FUNCTION teams_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF current_setting('sluice.audit_retention', true) = 'on' THEN
            RETURN OLD;
        END IF;
    ELSIF to_jsonb(NEW) - 'actor_id' - 'team_id' = to_jsonb(OLD) - 'actor_id' - 'team_id'
        AND (NEW.actor_id IS NULL OR NEW.actor_id = OLD.actor_id)
        AND (NEW.team_id IS NULL OR NEW.team_id = OLD.team_id)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'The audit log is append-only.';
END;
$$;
CREATE TRIGGER teams_audit_is_append_only BEFORE UPDATE OR DELETE ON teams_auditentry
    FOR EACH ROW EXECUTE FUNCTION teams_audit_is_append_only();
"""
BACKWARDS = """
DROP TRIGGER teams_audit_is_append_only ON teams_auditentry;
DROP FUNCTION teams_audit_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("teams", "0002_audit_log")]
    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
