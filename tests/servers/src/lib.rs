//! Private servers for tests: PostgreSQL, PgBouncer, Redis, nginx.
