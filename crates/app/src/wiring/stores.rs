//! The store ports: which adapter serves each.

use std::cell::OnceCell;
use std::sync::Arc;

use adapter_memory::{MemoryCodeStore, MemoryRateLimiter, MemorySessionStore, MemoryUserRepo};
use domain::ports::{CodeStore, RateLimiter, SessionStore, Source, UserRepo};

use crate::builder::Overrides;
use crate::config::{Config, Store};
use crate::start::StartError;

/// The four store ports.
pub(crate) struct Stores {
    pub(crate) codes: Arc<dyn CodeStore>,
    pub(crate) limiter: Arc<dyn RateLimiter>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) users: Arc<dyn UserRepo>,
}

/// What the configuration names, unless a port was given.
pub(crate) fn open(config: &Config, given: &Overrides) -> Result<Stores, StartError> {
    let file = File {
        config,
        opened: OnceCell::new(),
    };
    macro_rules! port {
        ($given:expr, $store:expr, $memory:ty) => {
            match (&$given, $store) {
                (Some(port), _) => Arc::clone(port),
                (None, Store::Memory) => Arc::new(<$memory>::default()),
                (None, Store::Sqlite) => file.open()?,
            }
        };
    }
    let chosen = &config.stores;
    Ok(Stores {
        codes: port!(given.codes, chosen.codes, MemoryCodeStore),
        limiter: port!(given.rate_limits, chosen.rate_limits, MemoryRateLimiter),
        sessions: port!(given.sessions, chosen.sessions, MemorySessionStore),
        users: port!(given.users, chosen.users, MemoryUserRepo),
    })
}

/// An adapter that serves every store port.
trait EveryStore: CodeStore + RateLimiter + SessionStore + UserRepo {}

impl<T: CodeStore + RateLimiter + SessionStore + UserRepo> EveryStore for T {}

/// The embedded store: opened at first use, once for all ports that it serves.
struct File<'a> {
    config: &'a Config,
    opened: OnceCell<Arc<dyn EveryStore>>,
}

impl File<'_> {
    fn open(&self) -> Result<Arc<dyn EveryStore>, StartError> {
        if let Some(store) = self.opened.get() {
            return Ok(Arc::clone(store));
        }
        let store = embedded::open(self.config)?;
        Ok(Arc::clone(self.opened.get_or_init(|| store)))
    }
}

/// How many steps the schema lacks, for each store that has one.
pub(crate) fn pending_migrations(
    config: &Config,
) -> Result<Vec<(&'static str, usize)>, StartError> {
    each_schema(config, embedded::pending)
}

/// Brings every schema up to date, and says how many steps that took.
pub(crate) fn migrate(config: &Config) -> Result<Vec<(&'static str, usize)>, StartError> {
    each_schema(config, embedded::migrate)
}

fn each_schema(
    config: &Config,
    act: impl Fn(&Config) -> Result<usize, StartError>,
) -> Result<Vec<(&'static str, usize)>, StartError> {
    let stores = config.stores.by_name();
    if stores.iter().all(|(_, store)| *store != Store::Sqlite) {
        return Ok(Vec::new());
    }
    Ok(vec![("sqlite", act(config)?)])
}

fn failed(source: impl Into<Source>) -> StartError {
    StartError::Store {
        name: "sqlite",
        source: source.into(),
    }
}

#[cfg(feature = "sqlite")]
mod embedded {
    use std::fs::DirBuilder;
    use std::os::unix::fs::DirBuilderExt;

    use adapter_sqlite::Sqlite;

    use super::{Arc, Config, EveryStore, StartError, failed};

    pub(super) fn open(config: &Config) -> Result<Arc<dyn EveryStore>, StartError> {
        make_folder(config)?;
        let store = Sqlite::open(&config.sqlite_path).map_err(failed)?;
        Ok(Arc::new(store))
    }

    pub(super) fn pending(config: &Config) -> Result<usize, StartError> {
        Sqlite::pending(&config.sqlite_path).map_err(failed)
    }

    pub(super) fn migrate(config: &Config) -> Result<usize, StartError> {
        make_folder(config)?;
        Sqlite::migrate(&config.sqlite_path).map_err(failed)
    }

    /// A folder that only its owner may look into, with its parents, unless it is there.
    fn make_folder(config: &Config) -> Result<(), StartError> {
        let folder = config.sqlite_path.parent();
        let Some(folder) = folder.filter(|f| !f.as_os_str().is_empty() && !f.is_dir()) else {
            return Ok(());
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| StartError::Folder {
            folder: folder.to_owned(),
            source,
        })
    }
}

/// What the configuration never asks for: it knows the stores of this build.
#[cfg(not(feature = "sqlite"))]
mod embedded {
    use super::{Arc, Config, EveryStore, StartError, failed};

    const MISSING: &str = "this build is without it: build with the feature, or choose memory";

    pub(super) fn open(_: &Config) -> Result<Arc<dyn EveryStore>, StartError> {
        Err(failed(MISSING))
    }

    pub(super) fn pending(_: &Config) -> Result<usize, StartError> {
        Err(failed(MISSING))
    }

    pub(super) fn migrate(_: &Config) -> Result<usize, StartError> {
        Err(failed(MISSING))
    }
}
