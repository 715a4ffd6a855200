//! One file for each thing that breaks.

mod cluster_failover;
mod kill_9;
mod postgres_cut;
mod postgres_exhausted;
mod postgres_locked;
mod postgres_stopped;
mod redis_emptied;
mod redis_full;
mod redis_set_back;
mod redis_stalled;
mod redis_stopped;
mod rolling_restart;
mod terminated;
