//! A server's process: started, stopped, killed, paused.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use crate::folder::{Folder, command};
use crate::until;

/// Leaves its process id where the guard looks, before it becomes the server.
const BECOME: &str = r#"echo $$ >pid && exec "$@""#;

/// How to start a server, and how to end it.
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// What it writes to its log once it listens. Its own log, because another server could answer
    /// on a port that this one failed to get.
    pub(crate) ready: &'static str,
    /// The signal that ends it without waiting for its clients.
    pub(crate) stop: Signal,
}

/// A server; killed when dropped.
pub(crate) struct Server {
    launch: Launch,
    port: u16,
    child: Mutex<Option<Child>>,
    // Dropped last: nobody writes to it any more.
    folder: Folder,
}

/// A port that is free, as is the one 10,000 above, which a Redis Cluster's nodes use among
/// themselves. Below the ports that the system gives out, so that a server that restarts gets its
/// own back.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(97);
    let free = |port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let port = (0..10_000).find_map(|_| {
        let next = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(10_000 + next % 10_000).ok()?;
        (free(port) && free(port + 10_000)).then_some(port)
    });
    port.expect("a free port")
}

impl Server {
    /// Starts it on a free port, which `launch` is told; anew if somebody else was quicker.
    pub(crate) fn start(folder: Folder, launch: impl Fn(&Folder, u16) -> Launch) -> Self {
        let port = free_port();
        let mut server = Self {
            launch: launch(&folder, port),
            port,
            child: Mutex::new(None),
            folder,
        };
        while let Err(log) = server.try_run() {
            assert!(
                log.contains("ddress already in use"),
                "{}",
                server.failed_to("serve")
            );
            server.port = free_port();
            server.launch = launch(&server.folder, server.port);
        }
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Everything it wrote, through every restart.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Starts it again, on its port, with its files.
    pub(crate) fn run(&self) {
        self.try_run()
            .unwrap_or_else(|_| panic!("{}", self.failed_to("serve")));
    }

    fn failed_to(&self, what: &str) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(20)..].join("\n");
        let program = self.launch.program.display();
        format!("{program} does not {what}; the end of its log:\n{tail}")
    }

    /// Waits until it is ready; what it wrote if it ended instead.
    fn try_run(&self) -> Result<(), String> {
        let mut child = self.child.lock().unwrap();
        assert!(child.is_none(), "it already runs");
        let before = self.log().len();
        let running = child.insert(self.spawn());
        let serves = until(
            || {
                let ended = running.try_wait().expect("its state").is_some();
                let log = self.log().split_off(before);
                let ready = log.contains(self.launch.ready);
                (ready || ended).then_some(if ended { Err(log) } else { Ok(()) })
            },
            || self.failed_to("serve"),
        );
        if serves.is_err() {
            self.forget(&mut child);
        }
        serves
    }

    fn spawn(&self) -> Child {
        let log = self.folder.path().join("log");
        let log = OpenOptions::new().create(true).append(true).open(log);
        let log = log.expect("a log");
        let output = |file: &File| Stdio::from(file.try_clone().expect("a handle"));
        command("sh")
            .args(["-c", BECOME, "sh"])
            .arg(&self.launch.program)
            .args(&self.launch.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(output(&log))
            .stderr(output(&log))
            .spawn()
            .expect("a shell")
    }

    /// Waits for a process that was told to end; the guard no longer looks for it.
    fn forget(&self, child: &mut Option<Child>) {
        if let Some(mut child) = child.take() {
            let ended = || child.try_wait().expect("its state");
            until(ended, || self.failed_to("end"));
        }
        let _ = std::fs::remove_file(self.folder.path().join("pid"));
    }

    /// Ends it in good order, cutting its connections; nothing if it does not run.
    pub(crate) fn stop(&self) {
        let mut child = self.child.lock().unwrap();
        if let Some(running) = &*child {
            let pid = Pid::from_child(running);
            // A paused one would never hear of it.
            tell_all(pid, Signal::CONT);
            tell(pid, self.launch.stop);
        }
        self.forget(&mut child);
    }

    /// kill -9, of its children too; nothing if it does not run.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        let Some(running) = &*child else { return };
        let pid = Pid::from_child(running);
        // Stopped, it has no more children.
        tell(pid, Signal::STOP);
        let children = children_of(pid);
        for process in children.iter().copied().chain([pid]) {
            tell(process, Signal::KILL);
        }
        self.forget(&mut child);
        for process in children {
            let alive = || std::fs::read_link(format!("/proc/{process}/exe")).is_ok();
            until(|| (!alive()).then_some(()), || self.failed_to("end"));
        }
    }

    /// SIGSTOP, of its children too: connections stay, and nothing answers.
    pub(crate) fn pause(&self) {
        tell_all(self.pid(), Signal::STOP);
    }

    /// Ends [`Self::pause`].
    pub(crate) fn resume(&self) {
        tell_all(self.pid(), Signal::CONT);
    }

    /// Sends it a signal.
    pub(crate) fn tell(&self, signal: Signal) {
        tell(self.pid(), signal);
    }

    /// Whether it was started, and not stopped or killed since.
    pub(crate) fn runs(&self) -> bool {
        self.child.lock().unwrap().is_some()
    }

    fn pid(&self) -> Pid {
        let child = self.child.lock().unwrap();
        Pid::from_child(child.as_ref().expect("it runs"))
    }
}

/// A process that has just ended by itself needs no signal.
fn tell(process: Pid, signal: Signal) {
    let _ = kill_process(process, signal);
}

/// The parent first: stopped, it has no more children.
fn tell_all(parent: Pid, signal: Signal) {
    tell(parent, signal);
    for child in children_of(parent) {
        tell(child, signal);
    }
}

fn children_of(process: Pid) -> Vec<Pid> {
    let file = format!("/proc/{process}/task/{process}/children");
    let children = std::fs::read_to_string(file).unwrap_or_default();
    let numbers = children.split_whitespace().map(|number| number.parse());
    numbers
        .filter_map(|number| Pid::from_raw(number.ok()?))
        .collect()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
