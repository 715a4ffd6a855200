//! Every store port, in one file: the default, durable.
