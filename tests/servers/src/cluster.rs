//! A Redis Cluster: three masters, each with a replica.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::access::Access;
use crate::redis::launch;
use crate::server::Server;
use crate::{unique, until};

/// Six nodes; they end when dropped.
pub struct RedisCluster {
    nodes: Vec<Server>,
    access: Access,
}

impl RedisCluster {
    /// A new, empty cluster. A master is given up after a second without an answer; its replica is
    /// elected in about another.
    pub fn start() -> Self {
        Self::with(Access::plain(), 1000)
    }

    /// One whose nodes take TLS only, and ask for the password that [`Self::urls`] have.
    pub fn start_tls() -> Self {
        Self::with(Access::tls(), 1000)
    }

    fn with(access: Access, patience_millis: u32) -> Self {
        let timeout = format!("cluster-node-timeout {patience_millis}");
        let nodes = (0..6).map(|_| launch(&access, &["cluster-enabled yes", &timeout]));
        let nodes = nodes.collect();
        let cluster = Self { nodes, access };
        let addresses: Vec<String> = cluster.nodes.iter().map(address).collect();
        let mut create = vec!["--cluster", "create"];
        create.extend(addresses.iter().map(String::as_str));
        create.extend(["--cluster-replicas", "1", "--cluster-yes"]);
        cluster.ask(&cluster.nodes[0], &create);
        cluster.wait_until_whole();
        cluster
    }

    /// The one of this test process. Nobody stops its nodes, and a busy machine is no failure.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<RedisCluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::with(Access::plain(), 60_000))
    }

    /// The URL of each node.
    pub fn urls(&self) -> Vec<String> {
        let url = |node: &Server| self.access.url(node.port());
        self.nodes.iter().map(url).collect()
    }

    /// The authority that signed the certificates, if the nodes take TLS.
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.access.ca_file()
    }

    /// A prefix for keys, nobody else's.
    pub fn prefix(&self) -> String {
        format!("{}:", unique())
    }

    /// What `redis-cli` writes for a command, at the node that has the key that it names.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let alive = self.nodes.iter().find(|node| node.runs());
        self.ask(alive.expect("a node"), &[&["-c"], arguments].concat())
    }

    fn ask(&self, node: &Server, arguments: &[&str]) -> String {
        self.access.cli(&self.access.url(node.port()), arguments)
    }

    /// kill -9 of the node that is the master of a key; its replica takes over. Gives its number.
    pub fn kill_master_of(&self, key: &str) -> usize {
        let node = self.master_of(key);
        self.nodes[node].kill();
        node
    }

    /// Starts a node again that was killed, empty.
    pub fn restart(&self, node: usize) {
        self.nodes[node].run();
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
        let node = self.nodes.iter().position(|node| node.port() == port);
        node.expect("a node of ours")
    }

    /// SIGSTOP of a node.
    pub fn pause(&self, node: usize) {
        self.nodes[node].pause();
    }

    /// Ends [`Self::pause`].
    pub fn resume(&self, node: usize) {
        self.nodes[node].resume();
    }

    /// Waits until every node that runs finds a master for every slot, and has what its own has.
    pub fn wait_until_whole(&self) {
        for node in self.nodes.iter().filter(|node| node.runs()) {
            let cluster = || self.ask(node, &["CLUSTER", "INFO"]);
            let replication = || self.ask(node, &["INFO", "replication"]);
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
