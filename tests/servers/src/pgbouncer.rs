//! PgBouncer in transaction mode, before a PostgreSQL.

use rustix::process::Signal;

use crate::folder::Folder;
use crate::postgres::{PASSWORD, Postgres, USER};
use crate::program;
use crate::server::{Launch, Server};

/// A connection pooler; it ends when dropped.
pub struct PgBouncer(Server);

impl PgBouncer {
    /// Before a PostgreSQL that was started here.
    pub fn start(postgres: &Postgres) -> Self {
        let behind = postgres.port();
        Self(Server::start(Folder::new("pgbouncer"), |folder, port| {
            folder.write("users.txt", &format!("\"{USER}\" \"{PASSWORD}\"\n"));
            let lines = format!(
                "[databases]\n* = host=127.0.0.1 port={behind}\n[pgbouncer]\n\
                 listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = md5\nauth_file = users.txt\n\
                 pool_mode = transaction\ndefault_pool_size = 5\n"
            );
            folder.write("pgbouncer.ini", &lines);
            Launch {
                program: program("pgbouncer"),
                arguments: vec!["pgbouncer.ini".to_owned()],
                ready: "process up",
                stop: Signal::TERM,
            }
        }))
    }

    /// The URL, through the pooler, of a database of the server behind it.
    pub fn url(&self, database: &str) -> String {
        let (_, name) = database.rsplit_once('/').expect("a URL with a database");
        format!(
            "postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{name}",
            self.0.port()
        )
    }
}
