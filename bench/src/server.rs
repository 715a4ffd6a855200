//! Servers under measurement: child processes on free loopback ports.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::installation::Installation;
use crate::store::Store;
use crate::{Result, usage};

/// A server that does not answer by then has failed to start.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// A running server. Killed when dropped, and its data removed with the last that uses it.
pub(crate) struct Server {
    child: Child,
    /// Where it serves.
    pub(crate) address: SocketAddr,
    /// How long after the spawn it was ready.
    pub(crate) started_in: Duration,
    _installation: Rc<Installation>,
}

impl Server {
    /// The yardstick.
    pub(crate) fn bare() -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bare").arg(address.to_string());
        // A folder is all that it uses of one.
        let nothing = Rc::new(Installation::on(Store::Memory)?);
        Self::spawn(command, address, address, &nothing)
    }

    /// The product as it is released, with nothing in its stores.
    pub(crate) fn product(store: Store) -> Result<Self> {
        Self::node(&Rc::new(Installation::on(store)?))
    }

    /// One more process of an installation.
    pub(crate) fn node(installation: &Rc<Installation>) -> Result<Self> {
        let (address, ops) = (free_address()?, free_address()?);
        let mut command = installation.command("serve")?;
        command
            .env("PHONE_AUTH__SERVER__BIND", address.to_string())
            .env("PHONE_AUTH__SERVER__OPS_BIND", ops.to_string());
        Self::spawn(command, address, ops, installation)
    }

    fn spawn(
        mut command: Command,
        address: SocketAddr,
        ops: SocketAddr,
        installation: &Rc<Installation>,
    ) -> Result<Self> {
        let log_path = installation
            .folder()
            .join(format!("log-{}", address.port()));
        let log = File::create(&log_path)?;
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
            _installation: Rc::clone(installation),
        };
        while !(is_alive(ops) && TcpStream::connect(address).is_ok()) {
            if server.child.try_wait()?.is_some() || spawned.elapsed() > START_DEADLINE {
                let log = fs::read_to_string(log_path)?;
                return Err(format!("a server did not start; it said:\n{log}").into());
            }
            sleep(Duration::from_millis(1));
        }
        server.started_in = spawned.elapsed();
        Ok(server)
    }

    /// CPU time used so far, once the work it was given has ebbed.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        usage::settled(|| usage::cpu(self.child.id()))
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        usage::resident(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either fails only if it is dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
