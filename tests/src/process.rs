//! The real `phone-auth` binary, as an operator runs it.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::digits_of;
use crate::http::{Connection, Request};
use crate::stores::{Rooms, Store};
use crate::until;

/// Where cargo puts what it builds as it built the tests.
fn built() -> PathBuf {
    let test = std::env::current_exe().expect("the path of the tests");
    let folder = test.ancestors().nth(2).expect("a folder of binaries");
    folder.to_owned()
}

/// Where cargo puts everything that it builds.
pub fn target_folder() -> PathBuf {
    built().join("..")
}

/// The binary beside the tests.
pub fn binary() -> PathBuf {
    let binary = built().join("phone-auth");
    assert!(
        binary.is_file(),
        "{} is missing: cargo build --workspace --bins",
        binary.display()
    );
    binary
}

/// A folder with everything of one installation, and its settings.
pub struct Installation {
    folder: TempDir,
    settings: Vec<(String, String)>,
    rooms: Vec<Rooms>,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Default for Installation {
    fn default() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            settings: Vec::new(),
            rooms: Vec::new(),
        }
        .set("server.bind", "127.0.0.1:0")
        .set("server.ops_bind", "127.0.0.1:0")
        .set("server.workers", "2")
        .set("server.drain", "0s")
    }
}

impl Installation {
    /// With the built-in defaults, on free ports.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more setting, in the environment; a later one wins.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// With its rows there.
    pub fn on(mut self, store: Store) -> Self {
        let rooms = Rooms::new(store);
        for (key, value) in rooms.settings() {
            self = self.set(key, value);
        }
        self.rooms.push(rooms);
        self
    }

    /// Its folder: the working directory of every command.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it keeps its data.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn call(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear();
        for (key, value) in &self.settings {
            let name = key.replace('.', "__").replace('+', "").to_uppercase();
            command.env(format!("PHONE_AUTH__{name}"), value);
        }
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        let output = self.call(&binary(), arguments).output();
        let output = output.expect("the binary runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Finished {
            status: output.status.code().expect("an exit status"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Serves.
    pub async fn serve(&self) -> Service {
        self.serve_with(&binary()).await
    }

    /// Serves with another binary.
    pub async fn serve_with(&self, program: &Path) -> Service {
        let log = tempfile::NamedTempFile::new_in(self.folder.path()).expect("a file");
        let output = |file: &File| Stdio::from(file.try_clone().expect("a handle"));
        let child = self
            .call(program, &["serve"])
            .stdin(Stdio::null())
            .stdout(output(log.as_file()))
            .stderr(output(log.as_file()))
            .spawn();
        let child = child.expect("the binary runs");
        let (_, log) = log.keep().expect("a file that stays");
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut service = Service {
            child,
            log,
            address: nowhere,
            ops: nowhere,
        };
        service.wait_until_it_serves().await;
        service
    }
}

/// The binary while it serves; killed when dropped.
pub struct Service {
    child: Child,
    log: PathBuf,
    address: SocketAddr,
    ops: SocketAddr,
}

/// The address that follows a word in the log.
fn address_after(log: &str, word: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once(word)?;
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))?;
    rest[..end].parse().ok()
}

impl Service {
    async fn wait_until_it_serves(&mut self) {
        let told = until("the addresses in the log", async || {
            let log = self.log();
            let ended = self.child.try_wait().expect("its state");
            assert!(ended.is_none(), "it ended with {ended:?}: {log}");
            let public = address_after(&log, "(listening on ")?;
            Some((public, address_after(&log, "metrics at http://")?))
        });
        (self.address, self.ops) = told.await;
    }

    /// Everything it wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("its log")
    }

    /// The public listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A call of the public listener.
    pub fn get(&self, path: &str) -> Request {
        Request::new(self.address, "GET", path)
    }

    /// A call of the public listener.
    pub fn post(&self, path: &str) -> Request {
        Request::new(self.address, "POST", path)
    }

    /// A call of the public listener.
    pub fn delete(&self, path: &str) -> Request {
        Request::new(self.address, "DELETE", path)
    }

    /// A call of the listener of operations.
    pub fn get_ops(&self, path: &str) -> Request {
        Request::new(self.ops, "GET", path)
    }

    /// A connection to the public listener.
    pub async fn connect(&self) -> Connection {
        Connection::open(self.address).await.expect("it listens")
    }

    /// Asks for a code.
    pub async fn ask(&self, phone: &str) -> Value {
        let body = json!({ "phone": phone });
        self.post("/v1/phone-codes").json(body).await.ok(202)
    }

    /// The digits of the newest message to a phone in the outbox, once there are so many.
    pub async fn digits(&self, phone: &str, messages: usize) -> String {
        let path = format!("/dev/outbox?to={}", phone.replace('+', "%2B"));
        let outbox = self.get(&path).header("accept", "application/json");
        until("the message", async || {
            let found = outbox.clone().await.ok(200)["messages"].clone();
            let found = found.as_array().expect("a list").clone();
            let text = found.first()?["text"].as_str().map(digits_of);
            text.filter(|_| found.len() >= messages)
        })
        .await
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Whether `/readyz` says that it serves, and what it says.
    pub async fn readiness(&self) -> (u16, Value) {
        let answer = self.get_ops("/readyz").await;
        (answer.status, answer.json())
    }

    /// Tells it to end, as a service manager does.
    pub fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).expect("a process to tell");
    }

    /// Waits until it has ended.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let status = until("its end", async || {
            self.child.try_wait().expect("its state")
        })
        .await;
        (status, self.log())
    }

    /// kill -9
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}
