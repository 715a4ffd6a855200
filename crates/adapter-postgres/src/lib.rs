//! Every store port, in PostgreSQL.
