//! One file for each thing that breaks.

mod kill_9;
