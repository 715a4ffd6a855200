//! How the Redis servers of a test are reached.

use std::path::PathBuf;

use crate::certificate;
use crate::folder::Folder;
use crate::redis::redis_cli;

/// What clients, and the servers among themselves, sign in with if they speak TLS.
const PASSWORD: &str = "s3cret";

/// By anybody, or by TLS only and with a password, as over a network: the folder has the
/// certificate of all the servers.
pub(crate) struct Access(Option<Folder>);

impl Access {
    pub(crate) fn plain() -> Self {
        Self(None)
    }

    pub(crate) fn tls() -> Self {
        let folder = Folder::new("tls");
        certificate::issue(&folder);
        Self(Some(folder))
    }

    /// The lines of a `redis.conf` that let a server listen on that port.
    pub(crate) fn lines(&self, port: u16) -> String {
        let Some(folder) = &self.0 else {
            return format!("port {port}\n");
        };
        let path = folder.path().display();
        format!(
            "port 0\ntls-port {port}\n\
             tls-cert-file {path}/server.pem\n\
             tls-key-file {path}/server.key\n\
             tls-ca-cert-file {path}/{}\n\
             tls-auth-clients no\ntls-replication yes\ntls-cluster yes\n\
             requirepass {PASSWORD}\nmasterauth {PASSWORD}\n",
            certificate::AUTHORITY
        )
    }

    /// The URL of the server on that port, with the password.
    pub(crate) fn url(&self, port: u16) -> String {
        let (scheme, user) = match self.password() {
            Some(password) => ("rediss", format!("default:{password}@")),
            None => ("redis", String::new()),
        };
        format!("{scheme}://{user}127.0.0.1:{port}")
    }

    pub(crate) fn password(&self) -> Option<&str> {
        self.0.as_ref().map(|_| PASSWORD)
    }

    /// The authority that signed the certificate.
    pub(crate) fn ca_file(&self) -> Option<PathBuf> {
        let folder = self.0.as_ref()?;
        Some(folder.path().join(certificate::AUTHORITY))
    }

    /// What `redis-cli` writes for a command.
    #[track_caller]
    pub(crate) fn cli(&self, url: &str, arguments: &[&str]) -> String {
        match self.ca_file() {
            Some(file) => {
                let file = file.display().to_string();
                redis_cli(url, &[&["--cacert", &file], arguments].concat())
            }
            None => redis_cli(url, arguments),
        }
    }
}
