use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use adapter_jwt::KeyError;
use domain::ports::Source;
use domain::vault::VaultError;

use crate::config::Faults;
use crate::keyring::RingError;

/// Why the service does not start. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration has faults, one line each.
    #[error(transparent)]
    Config(#[from] Faults),
    /// The configuration is too weak for production, one line each.
    #[error("refusing to start with profile = \"production\":\n{}", .0.join("\n"))]
    TooWeak(Vec<String>),
    /// There is no usable key ring.
    #[error(transparent)]
    KeyRing(#[from] RingError),
    /// The data keys do not make a vault.
    #[error("the key ring: {0}")]
    DataKeys(#[from] VaultError),
    /// The token keys cannot sign.
    #[error("the key ring: {0}")]
    TokenKeys(#[from] KeyError),
    /// A store cannot be opened.
    #[error("{name}: {source}")]
    Store {
        /// Which store.
        name: &'static str,
        /// Why, and what to do.
        source: Source,
    },
    /// Stores cannot be opened, one line each.
    #[error("{}", .0.iter().map(Self::to_string).collect::<Vec<_>>().join("\n"))]
    Stores(Vec<Self>),
    /// A folder cannot be made.
    #[error("{}: cannot be made ({source}): make it writable for this user, or set data.dir", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A listener's address cannot be had.
    #[error(
        "{key} = \"{address}\": {source}: stop what listens there, or set {key} to another address"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The key that names it.
        key: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A server cannot run.
    #[error("the server cannot run: {0}")]
    Server(#[source] io::Error),
    /// The async runtime cannot run.
    #[error("the runtime cannot run: {0}")]
    Runtime(#[source] io::Error),
}

impl StartError {
    /// The exit status: 2 for a wrong configuration, else 1.
    pub fn status(&self) -> u8 {
        match self {
            Self::Config(_) | Self::TooWeak(_) | Self::KeyRing(RingError::Faulty { .. }) => 2,
            Self::Stores(errors) => errors.iter().map(Self::status).max().unwrap_or(1),
            _ => 1,
        }
    }
}
