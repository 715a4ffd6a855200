//! Redis under Sentinel: a master, two replicas, three sentinels.

use std::path::PathBuf;
use std::sync::OnceLock;

use rustix::process::Signal;

use crate::access::Access;
use crate::folder::Folder;
use crate::redis::launch;
use crate::server::{Launch, Server};
use crate::{program, unique, until};

/// What the sentinels call the master.
const MASTER: &str = "primary";

/// Three Redis servers and their three sentinels; they end when dropped.
pub struct RedisSentinel {
    servers: Vec<Server>,
    sentinels: Vec<Server>,
    access: Access,
}

impl RedisSentinel {
    /// A new, empty one, whose sentinels give a master up after half a second without an answer.
    pub fn start() -> Self {
        Self::with(Access::plain(), 500)
    }

    /// One whose servers and sentinels take TLS only, and ask for the password that [`Self::urls`]
    /// have.
    pub fn start_tls() -> Self {
        Self::with(Access::tls(), 500)
    }

    fn with(access: Access, patience_millis: u32) -> Self {
        let master = launch(&access, &[]);
        let replica = format!("replicaof 127.0.0.1 {}", master.port());
        let replicas = [(); 2].map(|()| launch(&access, &[&replica]));
        let sentinels = (0..3).map(|_| sentinel(&access, master.port(), patience_millis));
        let trio = Self {
            sentinels: sentinels.collect(),
            servers: [master].into_iter().chain(replicas).collect(),
            access,
        };
        trio.wait_until_whole();
        trio
    }

    /// The one of this test process. Nobody stops its master, and a busy machine is no failure.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<RedisSentinel> = OnceLock::new();
        SHARED.get_or_init(|| Self::with(Access::plain(), 60_000))
    }

    /// The URL of each sentinel.
    pub fn urls(&self) -> Vec<String> {
        let url = |sentinel: &Server| self.access.url(sentinel.port());
        self.sentinels.iter().map(url).collect()
    }

    /// The authority that signed the certificates, if they take TLS.
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.access.ca_file()
    }

    /// What the sentinels call the master.
    pub fn master_name(&self) -> &'static str {
        MASTER
    }

    /// A prefix for keys, nobody else's.
    pub fn prefix(&self) -> String {
        format!("{}:", unique())
    }

    /// What `redis-cli` writes for a command at the master.
    pub fn cli(&self, arguments: &[&str]) -> String {
        self.ask(&self.servers[self.master()], arguments)
    }

    fn ask(&self, server: &Server, arguments: &[&str]) -> String {
        self.access.cli(&self.access.url(server.port()), arguments)
    }

    /// The number of the server that the sentinels call the master.
    pub fn master(&self) -> usize {
        let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER];
        let told = self.ask(&self.sentinels[0], &ask);
        let port = told.lines().last().and_then(|port| port.parse().ok());
        let server = self
            .servers
            .iter()
            .position(|server| Some(server.port()) == port);
        server.expect("a server of ours")
    }

    /// kill -9 of the master; a replica takes over. Gives its number.
    pub fn kill_master(&self) -> usize {
        let master = self.master();
        self.servers[master].kill();
        master
    }

    /// Starts a server again that was killed.
    pub fn restart(&self, server: usize) {
        self.servers[server].run();
    }

    /// Waits until every sentinel knows the other two, and both replicas have what the master has.
    fn wait_until_whole(&self) {
        for sentinel in &self.sentinels {
            let told = || self.ask(sentinel, &["INFO", "sentinel"]);
            let whole = || told().contains("slaves=2,sentinels=3").then_some(());
            until(whole, || format!("the sentinels are not whole: {}", told()));
        }
        for replica in &self.servers[1..] {
            let told = || self.ask(replica, &["INFO", "replication"]);
            let linked = || told().contains("master_link_status:up").then_some(());
            until(linked, || format!("a replica is not linked: {}", told()));
        }
    }
}

/// A sentinel that gives a master up after so long without an answer.
fn sentinel(access: &Access, master: u16, millis: u32) -> Server {
    let login = access.password();
    let login = login.map(|password| format!("sentinel auth-pass {MASTER} {password}\n"));
    let login = login.unwrap_or_default();
    Server::start(Folder::new("sentinel"), |folder, port| {
        let listens = access.lines(port);
        let lines = format!(
            "{listens}bind 127.0.0.1\n\
             sentinel monitor {MASTER} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {MASTER} {millis}\n\
             sentinel failover-timeout {MASTER} 2000\n\
             {login}"
        );
        folder.write("sentinel.conf", &lines);
        Launch {
            program: program("redis-server"),
            arguments: ["sentinel.conf", "--sentinel"].map(str::to_owned).into(),
            ready: "+monitor master",
            stop: Signal::TERM,
        }
    })
}
