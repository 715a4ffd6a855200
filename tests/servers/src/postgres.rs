//! PostgreSQL.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::Signal;

use crate::folder::{Folder, command};
use crate::server::{Launch, Server};
use crate::{certificate, missing, output, program, unique};

/// The superuser of the servers started here, and its password.
pub(crate) const USER: &str = "phone_auth";
pub(crate) const PASSWORD: &str = "secret";

/// `fsync` guards against a machine that loses power. What a killed server wrote is with the
/// kernel, so tests of kill -9 lose nothing without it. Shared memory in files goes with them.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
max_connections = 300
dynamic_shared_memory_type = mmap
";

/// A PostgreSQL server; it ends when dropped.
pub struct Postgres {
    url: String,
    place: Place,
}

enum Place {
    Ours(Server),
    /// It was there before; in the folder is what removes our databases.
    Theirs(Folder),
}

impl Postgres {
    /// A new, empty server.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A new, empty server with more lines in its `postgresql.conf`.
    pub fn start_with(lines: &[&str]) -> Self {
        // SCRAM costs a client without optimization 40 ms of every connection.
        Self::serve(initialized("md5"), lines)
    }

    /// A new, empty server that takes TLS only, and checks passwords by SCRAM.
    pub fn start_tls() -> Self {
        let folder = initialized("scram-sha-256");
        let rule = "hostssl all all 127.0.0.1/32 scram-sha-256\n";
        folder.write("data/pg_hba.conf", rule);
        certificate::issue(&folder);
        let files = [
            "ssl_cert_file = '../server.pem'",
            "ssl_key_file = '../server.key'",
        ];
        Self::serve(folder, &[&["ssl = on"], files.as_slice()].concat())
    }

    fn serve(folder: Folder, lines: &[&str]) -> Self {
        let file = "data/postgresql.conf";
        let given = std::fs::read_to_string(folder.path().join(file)).expect("initdb's settings");
        folder.write(file, &format!("{given}{SETTINGS}{}\n", lines.join("\n")));
        let server = Server::start(folder, |_, port| Launch {
            program: tool("postgres"),
            arguments: ["-D", "data", "-p", &port.to_string()]
                .map(str::to_owned)
                .into(),
            ready: "database system is ready to accept connections",
            stop: Signal::INT,
        });
        let address = format!("127.0.0.1:{}", server.port());
        Self {
            url: format!("postgres://{USER}:{PASSWORD}@{address}/postgres"),
            place: Place::Ours(server),
        }
    }

    /// The one of this test process: the server at `TEST_POSTGRES_URL`, if that is set.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var("TEST_POSTGRES_URL") {
            Ok(url) => Self::at(url),
            Err(_) => Self::start(),
        })
    }

    /// One that somebody else started. Our databases go when this process does.
    fn at(url: String) -> Self {
        let folder = Folder::new("databases");
        folder.write("url", &url);
        Self {
            url,
            place: Place::Theirs(folder),
        }
    }

    /// Creates a database, empty and nobody else's, and gives its URL.
    pub fn database(&self) -> String {
        let name = unique();
        if let Place::Theirs(folder) = &self.place {
            let (psql, url) = (tool("psql"), folder.path().join("url"));
            let (psql, url) = (psql.display(), url.display());
            let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            folder.at_the_end(&format!("'{psql}' \"$(cat '{url}')\" -c '{drop}'"));
        }
        psql(&self.url, &format!("CREATE DATABASE {name}"));
        with_database(&self.url, &name)
    }

    /// The URL of the database `postgres`, with a superuser's name and password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server().port()
    }

    /// Everything it wrote, through every restart.
    pub fn log(&self) -> String {
        self.server().log()
    }

    /// Ends it, cutting its connections.
    pub fn stop(&self) {
        self.server().stop();
    }

    /// kill -9 of all its processes.
    pub fn kill(&self) {
        self.server().kill();
    }

    /// Ends it if it still runs, and starts it again on its port with its data.
    pub fn restart(&self) {
        self.stop();
        self.server().run();
    }

    /// SIGSTOP of all its processes: connections stay, and nothing answers.
    pub fn pause(&self) {
        self.server().pause();
    }

    /// Ends [`Self::pause`].
    pub fn resume(&self) {
        self.server().resume();
    }

    /// The authority that signed its certificate, if it takes TLS.
    pub fn ca_file(&self) -> PathBuf {
        self.server().folder().path().join(certificate::AUTHORITY)
    }

    fn server(&self) -> &Server {
        match &self.place {
            Place::Ours(server) => server,
            Place::Theirs(_) => panic!("{} is not ours to stop: use start()", self.url),
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let Place::Ours(server) = &self.place else {
            return;
        };
        server.stop();
        // Killed, it left its shared memory, whose id ends the seventh line of its pid file.
        let file = server.folder().path().join("data/postmaster.pid");
        let left = std::fs::read_to_string(file).unwrap_or_default();
        if let Some((_, id)) = left.lines().nth(6).and_then(|line| line.rsplit_once(' ')) {
            let _ = Command::new("ipcrm").args(["-m", id]).status();
        }
    }
}

/// A folder with a new cluster of databases, and the way that passwords are checked.
fn initialized(auth: &str) -> Folder {
    let folder = Folder::new("postgres");
    folder.write("password", PASSWORD);
    output(
        command(tool("initdb"))
            .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth", auth])
            .args(["--username", USER, "--pwfile=password", "data"])
            .current_dir(folder.path()),
    );
    folder
}

/// Runs SQL and gives the rows, a line each, columns separated by `|`.
#[track_caller]
pub fn psql(url: &str, sql: &str) -> String {
    let options = ["-XqAt", "-v", "ON_ERROR_STOP=1", "-c", sql, url];
    output(Command::new(tool("psql")).args(options))
}

/// Everything that a database holds, as SQL.
#[track_caller]
pub fn pg_dump(url: &str) -> String {
    output(Command::new(tool("pg_dump")).args(["--dbname", url]))
}

/// One of PostgreSQL's programs, of the newest version installed. Debian's `/usr/bin/psql` is a
/// wrapper that takes four times as long.
fn tool(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let newest = versions
        .filter_map(|version| {
            let version = version.ok()?;
            let number: u32 = version.file_name().to_str()?.parse().ok()?;
            let file = version.path().join("bin").join(name);
            file.is_file().then_some((number, file))
        })
        .max();
    match newest {
        Some((_, file)) => file,
        None if name == "psql" => program(name),
        None => missing("PostgreSQL"),
    }
}

/// The URL of another database of the same server.
fn with_database(url: &str, name: &str) -> String {
    let (base, options) = url
        .split_once('?')
        .map_or((url, None), |(b, o)| (b, Some(o)));
    let start = base.find("://").map_or(0, |at| at + 3);
    let end = base[start..].find('/').map_or(base.len(), |at| start + at);
    let options = options
        .map(|options| format!("?{options}"))
        .unwrap_or_default();
    format!("{}/{name}{options}", &base[..end])
}
