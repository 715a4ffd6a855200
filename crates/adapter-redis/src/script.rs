//! Scripts: what the server runs in one step.

use redis::{Arg, Cmd, ToRedisArgs};

/// A script that the server remembers under the SHA-1 of its text.
pub(crate) struct Script {
    text: &'static str,
    sha1: String,
}

impl Script {
    pub(crate) fn new(text: &'static str) -> Self {
        let sha1 = redis::Script::new(text).get_hash().to_owned();
        Self { text, sha1 }
    }

    /// A call on these keys: all that the script touches, but for names it finds in them.
    pub(crate) fn on(&'static self, keys: &[String]) -> Call {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.sha1).arg(keys.len()).arg(keys);
        Call {
            script: self,
            command,
        }
    }
}

/// A script with its keys and arguments.
pub(crate) struct Call {
    script: &'static Script,
    command: Cmd,
}

impl Call {
    pub(crate) fn arg(mut self, value: impl ToRedisArgs) -> Self {
        self.command.arg(value);
        self
    }

    /// A field of a hash and its value.
    pub(crate) fn field(self, name: &str, value: impl ToRedisArgs) -> Self {
        self.arg(name).arg(value)
    }

    pub(crate) fn command(&self) -> &Cmd {
        &self.command
    }

    /// The same call for a server that does not know the script, and will from then on.
    pub(crate) fn with_text(&self) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(self.script.text);
        for arg in self.command.args_iter().skip(2) {
            if let Arg::Simple(bytes) = arg {
                command.arg(bytes);
            }
        }
        command
    }
}
