//! Redis, a single server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::Signal;

use crate::access::Access;
use crate::folder::Folder;
use crate::server::{Launch, Server};
use crate::{output, program, unique};

/// Nothing on disk: restarted, it is empty.
const SETTINGS: &str = "
bind 127.0.0.1
save \"\"
appendonly no
repl-diskless-sync-delay 0
";

/// A Redis server; it ends when dropped.
pub struct Redis {
    url: String,
    place: Place,
    access: Access,
}

enum Place {
    Ours(Server),
    /// It was there before; in the folder is what removes our keys, which begin with its name.
    Theirs(Folder),
}

impl Redis {
    /// A new, empty server.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A new, empty server with more lines in its `redis.conf`. [`Self::url`] has the password of
    /// a line `requirepass`.
    pub fn start_with(lines: &[&str]) -> Self {
        let password = lines
            .iter()
            .find_map(|line| line.strip_prefix("requirepass "));
        let user = password
            .map(|password| format!("default:{password}@"))
            .unwrap_or_default();
        let access = Access::plain();
        let server = launch(&access, lines);
        let url = format!("redis://{user}127.0.0.1:{}", server.port());
        Self {
            url,
            place: Place::Ours(server),
            access,
        }
    }

    /// A new, empty server that takes TLS only, and asks for the password that [`Self::url`] has.
    pub fn start_tls() -> Self {
        let access = Access::tls();
        let server = launch(&access, &[]);
        Self {
            url: access.url(server.port()),
            place: Place::Ours(server),
            access,
        }
    }

    /// The one of this test process: the server at `TEST_REDIS_URL`, if that is set.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Redis> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var("TEST_REDIS_URL") {
            Ok(url) => Self::at(url),
            Err(_) => Self::start(),
        })
    }

    /// One that somebody else started. Our keys go when this process does.
    fn at(url: String) -> Self {
        let folder = Folder::new("keys");
        folder.write("url", &url);
        let (client, file) = (program("redis-cli"), folder.path().join("url"));
        let (client, file) = (client.display(), file.display());
        let client = format!("'{client}' --no-auth-warning -u \"$(cat '{file}')\"");
        folder.at_the_end(&format!(
            "{client} --scan --pattern '{}:*' | tr '\\n' '\\0' | xargs -0 -r {client} UNLINK",
            folder.name()
        ));
        Self {
            url,
            place: Place::Theirs(folder),
            access: Access::plain(),
        }
    }

    /// Its URL, with the password if it has one.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server().port()
    }

    /// A prefix for keys, nobody else's.
    pub fn prefix(&self) -> String {
        match &self.place {
            Place::Ours(_) => format!("{}:", unique()),
            Place::Theirs(folder) => format!("{}:{}:", folder.name(), unique()),
        }
    }

    /// What `redis-cli` writes for a command.
    pub fn cli(&self, arguments: &[&str]) -> String {
        self.access.cli(&self.url, arguments)
    }

    /// The authority that signed its certificate, if it takes TLS.
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.access.ca_file()
    }

    /// Where it keeps its files.
    pub fn folder(&self) -> &Path {
        self.server().folder().path()
    }

    /// Everything it wrote, through every restart.
    pub fn log(&self) -> String {
        self.server().log()
    }

    /// Ends it, cutting its connections.
    pub fn stop(&self) {
        self.server().stop();
    }

    /// kill -9
    pub fn kill(&self) {
        self.server().kill();
    }

    /// Ends it if it still runs, and starts it again on its port, empty.
    pub fn restart(&self) {
        self.stop();
        self.server().run();
    }

    /// SIGSTOP: connections stay, and nothing answers.
    pub fn pause(&self) {
        self.server().pause();
    }

    /// Ends [`Self::pause`].
    pub fn resume(&self) {
        self.server().resume();
    }

    fn server(&self) -> &Server {
        match &self.place {
            Place::Ours(server) => server,
            Place::Theirs(_) => panic!("TEST_REDIS_URL is not ours to stop: use start()"),
        }
    }
}

/// Starts `redis-server` with these lines in its configuration.
pub(crate) fn launch(access: &Access, lines: &[&str]) -> Server {
    let lines = lines.join("\n");
    Server::start(Folder::new("redis"), |folder, port| {
        let listens = access.lines(port);
        folder.write("redis.conf", &format!("{listens}{SETTINGS}{lines}\n"));
        Launch {
            program: program("redis-server"),
            arguments: vec!["redis.conf".to_owned()],
            ready: "Ready to accept connections",
            stop: Signal::TERM,
        }
    })
}

/// What `redis-cli` writes for a command.
#[track_caller]
pub fn redis_cli(url: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program("redis-cli"));
    output(
        command
            .args(["--no-auth-warning", "-u", url])
            .args(arguments),
    )
}
