//! Every store port, in this process.
