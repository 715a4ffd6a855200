//! The short-lived stores, in Redis or Valkey: one server, Sentinel or Cluster.
//!
//! [`Redis`] is three store ports at once: codes, limits and sessions. Every operation is one
//! command or one script, atomic on the server, in one round trip. Nothing is remembered outside
//! the server, so any number of processes may share it.
//!
//! # Keys
//!
//! | key | type | holds |
//! |---|---|---|
//! | `{codes}:pc_…` | hash | a code |
//! | `{codes}:phone:…` | set | the keys of a phone's codes |
//! | `{rate_limits}:…` | sorted set | the hits of a counter, `at:count` by `at` |
//! | `{sessions}:ses_…` | hash | a session |
//! | `{sessions}:pc_…` | string | the key of the session that a code was used for |
//! | `{sessions}:usr_…` | sorted set | the keys of a user's sessions, by `created_at` |
//!
//! Each after the prefix. What stands in braces decides where a Cluster puts a key: the keys of a
//! port are in one slot, so that a script reaches all it needs. A Cluster spreads ports, not
//! rows: of three masters that share the slots evenly, each has one port. Scripts touch the keys
//! that are declared to them, and keys whose names they read in those: of the same slot, as Redis
//! and Valkey allow. A server that is full refuses them before their first write.
//!
//! # What stays, and for how long
//!
//! Every key has a time to live from its first moment on, always a span and never a date, because
//! the clocks of the server and of its clients differ. It only collects garbage: 15 minutes after
//! the entity's own end, or when no window of a limit looks at a hit any more. A code that was
//! used stays taken for as long as its session may be refreshed, revoked or not. `sweep` has
//! nothing to do.
//!
//! What the server acknowledged is as durable as it is told to be: with `appendonly yes` and
//! `appendfsync always` it survives a kill, with `everysec` all but the last second does, and a
//! failover may lose what the replica had not received.
//!
//! # Trouble
//!
//! An operation ends within 1.2 s. One that failed for a lost connection or a deadline may have
//! been carried out, or be carried out later by a server that wakes up: nothing is known to be
//! written. It is not repeated, unless the server said that another one is the master. The next
//! operation looks for the master again, and looks at it as [`Redis::open`] does: one that evicts
//! keys is not used. While a Cluster moves the slot of a port from node to node, new keys of that
//! port are unavailable.
//!
//! Its callers are in tokio runtimes with IO and time. Every runtime has connections of its own,
//! one for each port that it calls: none waits for another thread, and what a runtime has under
//! way does not end with another.

mod codes;
mod connection;
mod error;
mod finder;
mod inspect;
mod lane;
mod limits;
mod link;
mod row;
mod script;
mod sessions;
mod settings;

use std::time::Duration;

use domain::ports::StoreError;
use tokio::time::Instant;

pub use error::{Fault, OpenError};
use finder::Finder;
use link::Link;
pub use settings::{Port, Servers, Settings};

/// The longest that opening takes.
const OPENING: Duration = Duration::from_secs(4);

/// The stores on these servers. Dropping it closes its connections.
pub struct Redis {
    codes: Link,
    limits: Link,
    sessions: Link,
}

impl Redis {
    /// Connects for the ports of these settings, and makes sure that the servers will do.
    ///
    /// # Errors
    /// A [`Fault`] in one line that says what to do, within 5 s.
    pub async fn open(settings: &Settings) -> Result<Self, OpenError> {
        let prefix = &settings.prefix;
        if prefix.contains(['{', '}']) {
            return Err(OpenError::new("redis.prefix", Fault::Prefix));
        }
        let finder = Finder::new(settings)?;
        let deadline = Instant::now() + OPENING;
        let link = |port| Link::new(finder.clone(), prefix, port);
        let redis = Self {
            codes: link("codes"),
            limits: link("rate_limits"),
            sessions: link("sessions"),
        };
        for port in &settings.ports {
            redis.link(*port).open(deadline).await?;
        }
        Ok(redis)
    }

    /// Whether a restart of their server leaves sessions as they are: it has an append-only file.
    ///
    /// # Errors
    /// The server cannot answer.
    pub async fn keeps_sessions(&self) -> Result<bool, StoreError> {
        let info: String = self.sessions.query(&redis::cmd("INFO")).await?;
        Ok(info.contains("aof_enabled:1"))
    }

    fn link(&self, port: Port) -> &Link {
        match port {
            Port::Codes => &self.codes,
            Port::RateLimits => &self.limits,
            Port::Sessions => &self.sessions,
        }
    }
}
