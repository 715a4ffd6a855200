//! Servers under measurement: child processes on free loopback ports.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;

/// A server that does not answer by then has failed to start.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// A server that is busy for so long after the last answer will not become idle.
const SETTLE_DEADLINE: Duration = Duration::from_secs(60);

/// Linux counts CPU time in ticks of 10 ms (`USER_HZ`, the same on every architecture).
const TICK: Duration = Duration::from_millis(10);

/// Where the product keeps what it has to remember.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Memory,
    Sqlite,
}

impl Store {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
        }
    }
}

/// A running server. Killed when dropped, and its data removed.
pub(crate) struct Server {
    child: Child,
    /// Where it serves.
    pub(crate) address: SocketAddr,
    /// How long after the spawn it was ready.
    pub(crate) started_in: Duration,
    dir: TempDir,
}

impl Server {
    /// The yardstick.
    pub(crate) fn bare() -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bare").arg(address.to_string());
        Self::spawn(command, address, address, data_dir()?)
    }

    /// The product as it is released, with nothing in its stores.
    pub(crate) fn product(store: Store) -> Result<Self> {
        Self::product_in(store, data_dir()?)
    }

    fn product_in(store: Store, dir: TempDir) -> Result<Self> {
        let (address, ops) = (free_address()?, free_address()?);
        let mut command = Command::new(product_binary()?);
        command.arg("serve").current_dir(dir.path());
        for (key, value) in settings(store, address, ops) {
            command.env(format!("PHONE_AUTH__{key}"), value);
        }
        Self::spawn(command, address, ops, dir)
    }

    fn spawn(
        mut command: Command,
        address: SocketAddr,
        ops: SocketAddr,
        dir: TempDir,
    ) -> Result<Self> {
        let log = File::create(dir.path().join("log"))?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let spawned = Instant::now();
        let child = command.spawn()?;
        let mut server = Self {
            child,
            address,
            started_in: Duration::ZERO,
            dir,
        };
        while !(is_alive(ops) && TcpStream::connect(address).is_ok()) {
            if server.child.try_wait()?.is_some() || spawned.elapsed() > START_DEADLINE {
                let log = fs::read_to_string(server.dir.path().join("log"))?;
                return Err(format!("a server did not start; it said:\n{log}").into());
            }
            sleep(Duration::from_millis(1));
        }
        server.started_in = spawned.elapsed();
        Ok(server)
    }

    /// Kills it, lets `change` work on its data folder, and starts it again.
    pub(crate) fn restarted(
        mut self,
        store: Store,
        change: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        self.kill();
        let dir = std::mem::replace(&mut self.dir, data_dir()?);
        change(dir.path())?;
        Self::product_in(store, dir)
    }

    /// CPU time used so far, once the work it was given has ebbed: messages still to send go on
    /// after the last answer, and wait for the disk in between.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut used = self.cpu_now()?;
        let begun = Instant::now();
        while begun.elapsed() < SETTLE_DEADLINE {
            sleep(Duration::from_millis(100));
            let later = self.cpu_now()?;
            if later == used {
                return Ok(later);
            }
            used = later;
        }
        Err("a server stays busy though nobody asks anything".into())
    }

    /// User and system time of all its threads: fields 14 and 15 of proc_pid_stat(5).
    fn cpu_now(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, field 2, may hold spaces: count from behind its bracket.
        let (_, rest) = stat.rsplit_once(')').ok_or("no name in /proc/PID/stat")?;
        let ticks = rest
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<u32>);
        Ok(TICK * ticks.sum::<std::result::Result<u32, _>>()?)
    }

    /// Resident memory in bytes: `VmRSS` of proc_pid_status(5).
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line
            .and_then(|l| l.trim().strip_suffix(" kB"))
            .ok_or("no VmRSS")?;
        Ok(kib.parse::<u64>()? * 1024)
    }

    fn kill(&mut self) {
        // Either fails only if it is dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// As configured by default, but for limits high enough to count everything and refuse nothing.
fn settings(store: Store, address: SocketAddr, ops: SocketAddr) -> Vec<(&'static str, String)> {
    const STORES: [&str; 4] = [
        "STORES__CODES",
        "STORES__RATE_LIMITS",
        "STORES__SESSIONS",
        "STORES__USERS",
    ];
    const LIMITS: [&str; 4] = [
        "LIMITS__SENDS_PER_ADDRESS",
        "LIMITS__SENDS_PER_PREFIX",
        "LIMITS__SENDS_PER_COUNTRY",
        "LIMITS__SENDS_OVERALL",
    ];
    let others = [
        ("SERVER__BIND", address.to_string()),
        ("SERVER__OPS_BIND", ops.to_string()),
        ("TOKENS__ACCESS_LIFETIME", "1h".to_owned()),
        // Room for a whole round, if the client takes the cores that would send its messages.
        ("SMS__QUEUE", "100000".to_owned()),
    ];
    let stores = STORES.map(|key| (key, store.name().to_owned()));
    let limits = LIMITS.map(|key| (key, "1000000000/1h".to_owned()));
    others.into_iter().chain(stores).chain(limits).collect()
}

fn product_binary() -> Result<PathBuf> {
    let binary = std::env::current_exe()?.with_file_name("phone-auth");
    if binary.exists() {
        return Ok(binary);
    }
    Err(format!(
        "{} is not built: run `cargo build --release` first",
        binary.display()
    )
    .into())
}

/// Beside the binary: on a disk, where the system's folder for temporary files may be memory.
fn data_dir() -> Result<TempDir> {
    let exe = std::env::current_exe()?;
    Ok(tempfile::tempdir_in(
        exe.parent().ok_or("a binary without a folder")?,
    )?)
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn is_alive(server: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(server)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status.ends_with(b"200"))
    };
    ask().unwrap_or(false)
}

/// How long the disk under the data folders takes to keep a 4 KiB page: the median of many.
pub(crate) fn sync_time() -> Result<Duration> {
    let dir = data_dir()?;
    let mut file = File::create(dir.path().join("page"))?;
    let mut times = Vec::new();
    for _ in 0..100 {
        let begun = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}
