//! What processes used of the machine, from `/proc`.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Result;

/// Linux counts CPU time in ticks of 10 ms (`USER_HZ`, the same on every architecture).
const TICK: Duration = Duration::from_millis(10);

/// A server that is busy for so long after the last answer will not become idle.
const SETTLE_DEADLINE: Duration = Duration::from_secs(60);

/// User and system time of all threads of a process: fields 14 and 15 of proc_pid_stat(5).
pub(crate) fn cpu(process: u32) -> Result<Duration> {
    Ok(times(process)?[..2].iter().sum())
}

/// User and system time of a process, of its children, and of those it had.
pub(crate) fn family_cpu(parent: u32) -> Result<Duration> {
    let own: Duration = times(parent)?.iter().sum();
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
    // One that ends between the two looks is with the parent's by the next.
    let living = children
        .split_whitespace()
        .filter_map(|child| cpu(child.parse().ok()?).ok());
    Ok(own + living.sum::<Duration>())
}

/// Fields 14 to 17: user and system time, and those of children that ended.
fn times(process: u32) -> Result<[Duration; 4]> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, field 2, may hold spaces: count from behind its bracket.
    let (_, rest) = stat.rsplit_once(')').ok_or("no name in /proc/PID/stat")?;
    let fields: Vec<&str> = rest.split_whitespace().skip(11).take(4).collect();
    let mut times = [Duration::ZERO; 4];
    for (time, field) in times.iter_mut().zip(fields) {
        *time = TICK * field.parse::<u32>()?;
    }
    Ok(times)
}

/// A CPU time, once it grows no more: messages still to send go on after the last answer, and wait
/// for the disk in between.
pub(crate) fn settled(cpu: impl Fn() -> Result<Duration>) -> Result<Duration> {
    let mut used = cpu()?;
    let begun = Instant::now();
    while begun.elapsed() < SETTLE_DEADLINE {
        sleep(Duration::from_millis(100));
        let later = cpu()?;
        if later == used {
            return Ok(later);
        }
        used = later;
    }
    Err("a server stays busy though nobody asks anything".into())
}

/// Resident memory in bytes: `VmRSS` of proc_pid_status(5).
pub(crate) fn resident(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|l| l.trim().strip_suffix(" kB"))
        .ok_or("no VmRSS")?;
    Ok(kib.parse::<u64>()? * 1024)
}
