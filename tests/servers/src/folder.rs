//! Where the servers of this test process live, and the guard that ends them with it.
//!
//! A test process may be killed, and a `static` is never dropped. So the folder of all its servers
//! belongs to a guard: a shell that waits for the end of a pipe from this process, kills every
//! server whose `pid` file it finds, and removes the folder.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::unique;

/// A stopped process has no more children, so all of them are found. PostgreSQL's 56 bytes of
/// System V shared memory, named by the seventh line of its pid file, outlive its SIGKILL.
const GUARD: &str = r#"
trap '' HUP INT TERM PIPE
root=$(mktemp -d "${TMPDIR:-/tmp}/phone-auth-servers-XXXXXX") && chmod 711 "$root" && echo "$root"
cat >/dev/null
for file in "$root"/*/pid; do
    pid=$(cat "$file") || continue
    kill -STOP "$pid"
    kill -KILL $(cat "/proc/$pid/task/$pid/children") "$pid"
done
for file in "$root"/*/data/postmaster.pid; do
    ipcrm -m $(sed -n '7s/.* //p' "$file")
done
for file in "$root"/*/end; do sh "$file"; done
for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$root" && break; sleep 0.1; done
"#;

/// The folder of all servers. Its guard waits for the end of what it reads, which is never written
/// to; a `static`, so that the pipe ends with the process.
fn root() -> &'static Path {
    static ROOT: OnceLock<(PathBuf, Child)> = OnceLock::new();
    let (root, _) = ROOT.get_or_init(|| {
        let mut guard = Command::new("sh")
            .args(["-c", GUARD])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Not the terminal's: Ctrl-C ends the tests, and then the guard has work to do.
            .process_group(0)
            .spawn()
            .expect("a shell");
        let mut root = String::new();
        let told = guard.stdout.take().expect("a pipe");
        let read = BufReader::new(told).read_line(&mut root);
        assert!(read.is_ok() && !root.is_empty(), "no temporary folder");
        (PathBuf::from(root.trim_end()), guard)
    });
    root
}

/// The user that servers run as, where the tests run as root: PostgreSQL and PgBouncer refuse root.
pub(crate) fn account() -> Option<(u32, u32)> {
    static ACCOUNT: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *ACCOUNT.get_or_init(|| {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let users = std::fs::read_to_string("/etc/passwd").expect("the users of this machine");
        let find = |name| users.lines().find_map(|line| ids_of(line, name));
        Some(
            find("postgres")
                .or_else(|| find("nobody"))
                .expect("a user who is not root"),
        )
    })
}

/// The ids in a line of `/etc/passwd`, if it is this user's.
fn ids_of(line: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = line.split(':');
    let ours = fields.next() == Some(name);
    let mut id = || fields.nth(1)?.parse().ok();
    let (user, group) = (id()?, fields.next()?.parse().ok()?);
    ours.then_some((user, group))
}

/// A command that runs as the servers do.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = account() {
        command.uid(user).gid(group);
    }
    command
}

/// One server's folder; removed when dropped.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new one, that only the server's user may enter.
    pub(crate) fn new(name: &str) -> Self {
        let folder = root().join(format!("{name}-{}", unique()));
        std::fs::create_dir(&folder).expect("a new folder");
        let folder = Self(folder);
        folder.give(Path::new("."), 0o700);
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Nobody else's.
    pub(crate) fn name(&self) -> String {
        let name = self.0.file_name().unwrap_or_default();
        name.display().to_string()
    }

    /// A file of the server's; only its user reads it.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).expect("a new file");
        self.give(Path::new(name), 0o600);
    }

    /// A line of shell that the guard runs when the test process has ended.
    pub(crate) fn at_the_end(&self, line: &str) {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.0.join("end"));
        writeln!(file.expect("a file of ours"), "{line}").expect("room for a line");
    }

    fn give(&self, name: &Path, mode: u32) {
        let path = self.0.join(name);
        if let Some((user, group)) = account() {
            chown(&path, Some(user), Some(group)).expect("root may give a file away");
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("a file of ours");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
