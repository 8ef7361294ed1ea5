"""Roles and row-level security, as migrations apply them. What belongs here: the four roles and the policies' text.

Used by migrations that have run on real databases: a function here is never changed, a new one is added.

- owner: the login of `PILAR_DATABASE_URL`, who migrates. Row security is forced on the owner too, so it gets a
  policy of its own: without one its data migrations would silently touch no row.
- `pilar_app`: one tenant at a time, set per transaction; every API request.
- `pilar_system`: the whole fleet; worker, Dagster, founder. By policy and not by bypass.
- `pilar_analyst`: reads schema `analytics`.

The tenant is read in a sub-select, so that it is evaluated once per statement and not per row, and through
`nullif`, since a setting that was once set in a session is empty, not absent, ever after.
"""

from __future__ import annotations

CURRENT_WORKSPACE = "(select nullif(current_setting('pilar.workspace', true), '')::uuid)"
CURRENT_AFFILIATE = "(select nullif(current_setting('pilar.affiliate', true), '')::uuid)"
ROLES = ("pilar_app", "pilar_system", "pilar_analyst")


def create_roles() -> list[str]:
    """Statements that make the roles (they belong to the server, so another database may have made them)."""
    make = [
        f"""
        do $$ begin
          if not exists (select from pg_roles where rolname = '{role}') then
            create role {role} nologin;
          end if;
        exception when duplicate_object or unique_violation then null;
        end $$
        """
        for role in ROLES
    ]
    # A membership's grant can collide with another database's migration on the same server.
    grant = [
        f"""
        do $$ begin
          if not pg_has_role(current_user, '{role}', 'member') then execute format('grant {role} to %I', current_user);
          end if;
        exception when duplicate_object or unique_violation then null;
        end $$
        """
        for role in ROLES
    ]
    return [*make, *grant, *(f"grant usage on schema public to {role}" for role in ROLES)]


def create_analytics_schema() -> list[str]:
    """Statements that make schema `analytics`, which every role may enter."""
    return [
        "create schema if not exists analytics",
        "comment on schema analytics is 'What dashboards and analysts read: materialised by Dagster, never by hand.'",
        *(f"grant usage on schema analytics to {role}" for role in ROLES),
    ]


def protect_tenant_table(table: str) -> list[str]:
    """Statements that let a workspace see its own rows of a table, and the system all of them."""
    own = f"workspace_id = {CURRENT_WORKSPACE}"
    return [
        *_force(table),
        f"create policy tenant on {table} to pilar_app using ({own}) with check ({own})",
        f"grant select, insert, update, delete on {table} to pilar_app, pilar_system",
    ]


def protect_affiliate_table(table: str) -> list[str]:
    """Statements that let an affiliate see its own rows of a table, and change none: they are the books about it."""
    own = f"affiliate_id = {CURRENT_AFFILIATE}"
    return [
        *_force(table),
        f"create policy affiliate on {table} for select to pilar_app using ({own})",
        f"grant select on {table} to pilar_app",
        f"grant select, insert, update, delete on {table} to pilar_system",
    ]


def protect_fleet_table(table: str) -> list[str]:
    """Statements that keep a table to the system."""
    return [*_force(table), f"grant select, insert, update, delete on {table} to pilar_system"]


def show_to_studios(table: str) -> list[str]:
    """Statements that let a workspace read its own rows of a table that is otherwise the system's, and change none."""
    return [
        f"create policy tenant on {table} for select to pilar_app using (workspace_id = {CURRENT_WORKSPACE})",
        f"grant select on {table} to pilar_app",
    ]


def protect_analytics_table(table: str, *, tenant: bool) -> list[str]:
    """Statements that let the system write and analysts read a table; a workspace reads its own rows of a tenant's."""
    statements = [
        *_force(table),
        f"create policy analyst on {table} for select to pilar_analyst using (true)",
        f"grant select on {table} to pilar_analyst",
        f"grant select, insert, update, delete on {table} to pilar_system",
    ]
    if tenant:
        own = f"workspace_id = {CURRENT_WORKSPACE}"
        statements += [
            f"create policy tenant on {table} for select to pilar_app using ({own})",
            f"grant select on {table} to pilar_app",
        ]
    return statements


def _force(table: str) -> list[str]:
    return [
        f"alter table {table} enable row level security",
        f"alter table {table} force row level security",
        f"create policy fleet on {table} to pilar_system, current_user using (true) with check (true)",
    ]
