//! The store ports: which adapter serves each.

use std::cell::OnceCell;
use std::sync::Arc;

use adapter_memory::{MemoryCodeStore, MemoryRateLimiter, MemorySessionStore, MemoryUserRepo};
use domain::ports::{CodeStore, RateLimiter, SessionStore, UserRepo};

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
        let store = embedded(self.config)?;
        Ok(Arc::clone(self.opened.get_or_init(|| store)))
    }
}

#[cfg(feature = "sqlite")]
fn embedded(config: &Config) -> Result<Arc<dyn EveryStore>, StartError> {
    let path = &config.sqlite_path;
    if let Some(folder) = path.parent() {
        super::make_private_folder(folder)?;
    }
    let store = adapter_sqlite::Sqlite::open(path).map_err(|error| StartError::Store {
        name: "sqlite",
        source: error.into(),
    })?;
    Ok(Arc::new(store))
}

#[cfg(not(feature = "sqlite"))]
fn embedded(_: &Config) -> Result<Arc<dyn EveryStore>, StartError> {
    let source = "this build has no sqlite: build with its feature, or choose memory".into();
    Err(StartError::Store {
        name: "sqlite",
        source,
    })
}

/// How many steps the schema lacks, for each store that has one.
pub(crate) fn pending_migrations(
    config: &Config,
) -> Result<Vec<(&'static str, usize)>, StartError> {
    each_schema(config, |path| adapter_sqlite::Sqlite::pending(path))
}

/// Brings every schema up to date, and says how many steps that took.
pub(crate) fn migrate(config: &Config) -> Result<Vec<(&'static str, usize)>, StartError> {
    each_schema(config, |path| adapter_sqlite::Sqlite::migrate(path))
}

fn each_schema(
    config: &Config,
    act: impl Fn(&std::path::Path) -> Result<usize, adapter_sqlite::OpenError>,
) -> Result<Vec<(&'static str, usize)>, StartError> {
    let used = config
        .stores
        .by_name()
        .iter()
        .any(|(_, store)| *store == Store::Sqlite);
    if !used {
        return Ok(Vec::new());
    }
    let steps = act(&config.sqlite_path).map_err(|error| StartError::Store {
        name: "sqlite",
        source: error.into(),
    })?;
    Ok(vec![("sqlite", steps)])
}
