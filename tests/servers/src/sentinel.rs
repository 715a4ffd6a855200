//! Redis under Sentinel: a master, two replicas, three sentinels.

use std::sync::OnceLock;

use rustix::process::Signal;

use crate::folder::Folder;
use crate::redis::{launch, redis_cli};
use crate::server::{Launch, Server};
use crate::{program, unique, until};

/// What the sentinels call the master.
const MASTER: &str = "primary";

/// Three Redis servers and their three sentinels; they end when dropped.
pub struct RedisSentinel {
    servers: Vec<Server>,
    sentinels: Vec<Server>,
}

impl RedisSentinel {
    /// A new, empty one, whose sentinels give a master up after half a second without an answer.
    pub fn start() -> Self {
        Self::with_patience(500)
    }

    fn with_patience(millis: u32) -> Self {
        let master = launch(&[]);
        let replica = format!("replicaof 127.0.0.1 {}", master.port());
        let replicas = [launch(&[&replica]), launch(&[&replica])];
        let sentinels = (0..3).map(|_| sentinel(master.port(), millis)).collect();
        let servers = [master].into_iter().chain(replicas).collect();
        let trio = Self { servers, sentinels };
        trio.wait_until_whole();
        trio
    }

    /// The one of this test process. Nobody stops its master, and a busy machine is no failure.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<RedisSentinel> = OnceLock::new();
        SHARED.get_or_init(|| Self::with_patience(60_000))
    }

    /// The URL of each sentinel.
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(url).collect()
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
        redis_cli(&url(&self.servers[self.master()]), arguments)
    }

    /// The number of the server that the sentinels call the master.
    pub fn master(&self) -> usize {
        let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER];
        let told = redis_cli(&url(&self.sentinels[0]), &ask);
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
            let told = || redis_cli(&url(sentinel), &["INFO", "sentinel"]);
            let whole = || told().contains("slaves=2,sentinels=3").then_some(());
            until(whole, || format!("the sentinels are not whole: {}", told()));
        }
        for replica in &self.servers[1..] {
            let told = || redis_cli(&url(replica), &["INFO", "replication"]);
            let linked = || told().contains("master_link_status:up").then_some(());
            until(linked, || format!("a replica is not linked: {}", told()));
        }
    }
}

fn url(server: &Server) -> String {
    format!("redis://127.0.0.1:{}", server.port())
}

/// A sentinel that gives a master up after so long without an answer.
fn sentinel(master: u16, millis: u32) -> Server {
    Server::start(Folder::new("sentinel"), |folder, port| {
        let lines = format!(
            "port {port}\nbind 127.0.0.1\n\
             sentinel monitor {MASTER} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {MASTER} {millis}\n\
             sentinel failover-timeout {MASTER} 2000\n"
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
