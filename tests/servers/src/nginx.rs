//! nginx.

use std::net::SocketAddr;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::folder::Folder;
use crate::program;
use crate::server::{Launch, Server};

/// nginx would keep these where Debian does.
const TEMPORARY: [&str; 5] = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/// A proxy; it ends when dropped.
pub struct Nginx(Server);

impl Nginx {
    /// With what `http` gives, told the port to listen on, in the block `http`.
    pub fn start(http: impl Fn(u16) -> String) -> Self {
        Self(Server::start(Folder::new("nginx"), |folder, port| {
            folder.write("nginx.conf", &configuration(&http(port)));
            let given = [
                "-p",
                ".",
                "-c",
                "nginx.conf",
                "-e",
                "stderr",
                "-g",
                "daemon off;",
            ];
            Launch {
                program: program("nginx"),
                arguments: given.map(str::to_owned).into(),
                ready: "start worker process ",
                stop: Signal::TERM,
            }
        }))
    }

    /// Takes a new block `http`: new workers for new connections, and the old ones end with theirs.
    pub fn reload(&self, http: &str) {
        self.0.folder().write("nginx.conf", &configuration(http));
        self.0.tell(Signal::HUP);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.0.port()))
    }

    /// Its folder, for what a configuration includes.
    pub fn folder(&self) -> PathBuf {
        self.0.folder().path().to_owned()
    }

    /// Everything it wrote.
    pub fn log(&self) -> String {
        self.0.log()
    }
}

fn configuration(http: &str) -> String {
    let temporary = TEMPORARY
        .map(|name| format!("    {name}_temp_path {name};\n"))
        .concat();
    format!(
        "error_log stderr notice;\npid nginx.pid;\nworker_processes 1;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n    access_log off;\n{temporary}{http}\n}}\n"
    )
}
