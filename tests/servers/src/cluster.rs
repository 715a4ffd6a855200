//! A Redis Cluster: three masters, each with a replica.

use std::process::Command;
use std::sync::OnceLock;

use crate::redis::{launch, redis_cli};
use crate::server::Server;
use crate::{output, program, unique, until};

/// Six nodes; they end when dropped.
pub struct RedisCluster(Vec<Server>);

impl RedisCluster {
    /// A new, empty cluster. A master is given up after a second without an answer; its replica is
    /// elected in about another.
    pub fn start() -> Self {
        Self::with_patience(1000)
    }

    fn with_patience(millis: u32) -> Self {
        let timeout = format!("cluster-node-timeout {millis}");
        let nodes = (0..6).map(|_| launch(&["cluster-enabled yes", &timeout]));
        let nodes: Vec<Server> = nodes.collect();
        output(
            Command::new(program("redis-cli"))
                .args(["--cluster", "create"])
                .args(nodes.iter().map(address))
                .args(["--cluster-replicas", "1", "--cluster-yes"]),
        );
        let cluster = Self(nodes);
        cluster.wait_until_whole();
        cluster
    }

    /// The one of this test process. Nobody stops its nodes, and a busy machine is no failure.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<RedisCluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::with_patience(60_000))
    }

    /// The URL of each node.
    pub fn urls(&self) -> Vec<String> {
        self.0.iter().map(url).collect()
    }

    /// A prefix for keys, nobody else's.
    pub fn prefix(&self) -> String {
        format!("{}:", unique())
    }

    /// What `redis-cli` writes for a command, at the node that has the key that it names.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let alive = self.0.iter().find(|node| node.runs()).expect("a node");
        redis_cli(&url(alive), &[&["-c"], arguments].concat())
    }

    /// kill -9 of the node that is the master of a key; its replica takes over. Gives its number.
    pub fn kill_master_of(&self, key: &str) -> usize {
        let node = self.master_of(key);
        self.0[node].kill();
        node
    }

    /// Starts a node again that was killed, empty.
    pub fn restart(&self, node: usize) {
        self.0[node].run();
    }

    /// The number of the node that is the master of a key; waits for one to be elected.
    pub fn master_of(&self, key: &str) -> usize {
        let slot = self
            .cli(&["CLUSTER", "KEYSLOT", key])
            .parse()
            .expect("a slot");
        let nodes = || self.cli(&["CLUSTER", "NODES"]);
        let find = || {
            nodes()
                .lines()
                .find_map(|line| port_if_master_of(line, slot))
        };
        let port = until(find, || format!("no master of slot {slot}: {}", nodes()));
        let node = self.0.iter().position(|node| node.port() == port);
        node.expect("a node of ours")
    }

    /// SIGSTOP of a node.
    pub fn pause(&self, node: usize) {
        self.0[node].pause();
    }

    /// Ends [`Self::pause`].
    pub fn resume(&self, node: usize) {
        self.0[node].resume();
    }

    /// Waits until every node that runs finds a master for every slot, and has what its own has.
    pub fn wait_until_whole(&self) {
        for node in self.0.iter().filter(|node| node.runs()) {
            let cluster = || redis_cli(&url(node), &["CLUSTER", "INFO"]);
            let replication = || redis_cli(&url(node), &["INFO", "replication"]);
            let whole = || {
                let all = cluster().contains("cluster_state:ok");
                let linked = !replication().contains("master_link_status:down");
                (all && linked).then_some(())
            };
            let told = || format!("it is not whole: {} {}", cluster(), replication());
            until(whole, told);
        }
    }
}

fn address(node: &Server) -> String {
    format!("127.0.0.1:{}", node.port())
}

fn url(node: &Server) -> String {
    format!("redis://{}", address(node))
}

/// Reads a line of CLUSTER NODES: `id ip:port@bus flags … first-last first-last`.
fn port_if_master_of(line: &str, slot: u16) -> Option<u16> {
    let words: Vec<&str> = line.split(' ').collect();
    let has = |range: &&str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let ends = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
        ends.is_some_and(|(first, last)| (first..=last).contains(&slot))
    };
    let master = words[2].contains("master") && !words[2].contains("fail");
    (master && words.iter().skip(8).any(has)).then_some(())?;
    let (_, port) = words[1].split('@').next()?.rsplit_once(':')?;
    port.parse().ok()
}
