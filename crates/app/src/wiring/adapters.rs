//! How each store's adapter is opened. A new one is an arm here, and a word in the configuration.

use std::sync::Arc;

use adapter_memory::{MemoryCodeStore, MemoryRateLimiter, MemorySessionStore, MemoryUserRepo};
use domain::ports::{CodeStore, RateLimiter, SessionStore, Source, StoreError, UserRepo};

use crate::config::{Config, Fault, Faults, Store};
use crate::start::StartError;
use crate::watch::Watch;

/// The ports of an adapter that is open, and the watch over those that are taken from it.
#[derive(Clone)]
pub(super) struct Adapter {
    ports: Ports,
    /// What is too weak for production in how its server is set up.
    pub(super) finding: Option<Fault>,
    pub(super) watch: Arc<Watch>,
}

#[derive(Clone)]
struct Ports {
    codes: Arc<dyn CodeStore>,
    limiter: Arc<dyn RateLimiter>,
    sessions: Arc<dyn SessionStore>,
    users: Option<Arc<dyn UserRepo>>,
}

impl Ports {
    fn memory() -> Self {
        Self {
            codes: Arc::new(MemoryCodeStore::default()),
            limiter: Arc::new(MemoryRateLimiter::default()),
            sessions: Arc::new(MemorySessionStore::default()),
            users: Some(Arc::new(MemoryUserRepo::default())),
        }
    }

    /// Of a store for what is short-lived.
    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis"))]
    fn without_users<T: CodeStore + RateLimiter + SessionStore + 'static>(store: Arc<T>) -> Self {
        Self {
            codes: store.clone(),
            limiter: store.clone(),
            sessions: store,
            users: None,
        }
    }

    /// Of a store that serves every port.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    fn complete<T>(store: T) -> Self
    where
        T: CodeStore + RateLimiter + SessionStore + UserRepo + 'static,
    {
        let store = Arc::new(store);
        Self {
            users: Some(store.clone()),
            ..Self::without_users(store)
        }
    }
}

impl Adapter {
    pub(super) fn codes(self) -> Arc<dyn CodeStore> {
        self.watch.over(self.ports.codes)
    }

    pub(super) fn limiter(self) -> Arc<dyn RateLimiter> {
        self.watch.over(self.ports.limiter)
    }

    pub(super) fn sessions(self) -> Arc<dyn SessionStore> {
        self.watch.over(self.ports.sessions)
    }

    /// The configuration names no other store for users than one that has them.
    pub(super) fn users(self) -> Result<Arc<dyn UserRepo>, StartError> {
        let missing = || {
            failed(
                Store::Redis,
                "it keeps no users: choose another for stores.users",
            )
        };
        Ok(self.watch.over(self.ports.users.ok_or_else(missing)?))
    }

    /// Whether the ports answer for which the configuration names this store.
    pub(super) async fn health(&self, store: Store, config: &Config) -> Result<(), StoreError> {
        let (ports, stores) = (&self.ports, &config.stores);
        if stores.codes == store {
            ports.codes.health().await?;
        }
        // The failure budget of each phone is beside the users.
        if [stores.rate_limits, stores.users].contains(&store) {
            ports.limiter.health().await?;
        }
        if stores.sessions == store {
            ports.sessions.health().await?;
        }
        match &ports.users {
            Some(users) if stores.users == store => users.health().await,
            _ => Ok(()),
        }
    }
}

/// Opens a store's adapter.
pub(super) async fn open(store: Store, config: &Config) -> Result<Adapter, StartError> {
    #[allow(unused_mut, reason = "only servers have one")]
    let mut finding = None;
    let ports = match store {
        Store::Memory => Ports::memory(),
        #[cfg(feature = "sqlite")]
        Store::Sqlite => Ports::complete(sqlite::open(config)?),
        #[cfg(feature = "postgres")]
        Store::Postgres => {
            let postgres = postgres::open(config).await?;
            finding = postgres::finding(&postgres, config).await?;
            Ports::complete(postgres)
        }
        #[cfg(feature = "redis")]
        Store::Redis => {
            let redis = redis::open(config).await?;
            finding = redis::finding(&redis, config).await?;
            Ports::without_users(Arc::new(redis))
        }
        #[allow(unreachable_patterns, reason = "where every store is built")]
        store => return Err(missing(store)),
    };
    let watch = Watch::new(config.place_of(store));
    Ok(Adapter {
        ports,
        finding,
        watch,
    })
}

/// How many steps its schema lacks, if it has one.
pub(super) async fn pending(store: Store, config: &Config) -> Result<Option<usize>, StartError> {
    match store {
        #[cfg(feature = "sqlite")]
        Store::Sqlite => sqlite::pending(config).map(Some),
        #[cfg(feature = "postgres")]
        Store::Postgres => postgres::pending(config).await.map(Some),
        _ => Ok(None),
    }
}

/// Brings its schema up to date, if it has one, and says how many steps that took.
pub(super) async fn migrate(store: Store, config: &Config) -> Result<Option<usize>, StartError> {
    match store {
        #[cfg(feature = "sqlite")]
        Store::Sqlite => sqlite::migrate(config).map(Some),
        #[cfg(feature = "postgres")]
        Store::Postgres => postgres::migrate(config).await.map(Some),
        _ => Ok(None),
    }
}

fn failed(store: Store, source: impl Into<Source>) -> StartError {
    StartError::Store {
        name: store.as_str(),
        source: source.into(),
    }
}

/// The configuration names only stores of this build, and has a section for each that it names.
pub(super) fn missing(store: Store) -> StartError {
    failed(
        store,
        "the configuration has no such store: run `phone-auth config`",
    )
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::fs::DirBuilder;
    use std::os::unix::fs::DirBuilderExt;

    use adapter_sqlite::Sqlite;

    use super::{Config, StartError, Store, failed};

    pub(super) fn open(config: &Config) -> Result<Sqlite, StartError> {
        make_folder(config)?;
        Sqlite::open(&config.sqlite_path).map_err(|e| failed(Store::Sqlite, e))
    }

    pub(super) fn pending(config: &Config) -> Result<usize, StartError> {
        Sqlite::pending(&config.sqlite_path).map_err(|e| failed(Store::Sqlite, e))
    }

    pub(super) fn migrate(config: &Config) -> Result<usize, StartError> {
        make_folder(config)?;
        Sqlite::migrate(&config.sqlite_path).map_err(|e| failed(Store::Sqlite, e))
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

#[cfg(feature = "postgres")]
mod postgres {
    use adapter_postgres::{Fault, OpenError, Postgres, Settings};

    use super::{Config, Faults, StartError, Store, failed, missing};
    use crate::config;

    const FORGETS: &str = "leads to a server whose crash undoes what it acknowledged: set \
                           synchronous_commit and fsync to on there";

    fn settings(config: &Config) -> Result<Settings, StartError> {
        let section = config.postgres.as_ref();
        let section = section.ok_or_else(|| missing(Store::Postgres))?;
        Ok(Settings {
            url: section.url.expose().to_owned(),
            pool: section.pool,
            ca_file: section.ca_file.clone(),
        })
    }

    pub(super) async fn open(config: &Config) -> Result<Postgres, StartError> {
        let opened = Postgres::open(&settings(config)?).await;
        opened.map_err(|error| refused(config, error))
    }

    pub(super) async fn finding(
        postgres: &Postgres,
        config: &Config,
    ) -> Result<Option<config::Fault>, StartError> {
        let kept = postgres.keeps_commits().await;
        let kept = kept.map_err(|error| failed(Store::Postgres, error))?;
        Ok((!kept).then(|| config.fault("postgres.url", FORGETS)))
    }

    pub(super) async fn pending(config: &Config) -> Result<usize, StartError> {
        let pending = Postgres::pending(&settings(config)?).await;
        pending.map_err(|error| refused(config, error))
    }

    pub(super) async fn migrate(config: &Config) -> Result<usize, StartError> {
        let applied = Postgres::migrate(&settings(config)?).await;
        applied.map_err(|error| refused(config, error))
    }

    fn refused(config: &Config, error: OpenError) -> StartError {
        let told = failed(Store::Postgres, error.to_string());
        match error.into_fault() {
            fault @ Fault::Url => {
                Faults(vec![config.fault("postgres.url", fault.to_string())]).into()
            }
            _ => told,
        }
    }
}

#[cfg(feature = "redis")]
mod redis {
    use adapter_redis::{Fault, OpenError, Port, Redis, Servers, Settings};

    use super::{Config, Faults, StartError, Store, failed, missing};
    use crate::config::{self, RedisServers, ServerUrl};

    const FORGETS: &str = "is \"redis\", and its restart undoes sign-outs and lets used codes sign in \
                           again: run CONFIG SET appendonly yes there, and write appendonly yes \
                           into its configuration, or write \"postgres\"";

    fn settings(config: &Config) -> Result<Settings, StartError> {
        let section = config.redis.as_ref();
        let section = section.ok_or_else(|| missing(Store::Redis))?;
        let text = |url: &ServerUrl| url.expose().to_owned();
        let texts = |urls: &[ServerUrl]| urls.iter().map(text).collect();
        let stores = [
            (Port::Codes, config.stores.codes),
            (Port::RateLimits, config.stores.rate_limits),
            (Port::Sessions, config.stores.sessions),
        ];
        let ports = stores.into_iter().filter(|(_, at)| *at == Store::Redis);
        Ok(Settings {
            servers: match &section.servers {
                RedisServers::Single(url) => Servers::Single(text(url)),
                RedisServers::Cluster(urls) => Servers::Cluster(texts(urls)),
                RedisServers::Sentinel { master, urls } => Servers::Sentinel {
                    master: master.clone(),
                    urls: texts(urls),
                },
            },
            ports: ports.map(|(port, _)| port).collect(),
            prefix: section.prefix.clone(),
            ca_file: section.ca_file.clone(),
        })
    }

    pub(super) async fn open(config: &Config) -> Result<Redis, StartError> {
        let opened = Redis::open(&settings(config)?).await;
        opened.map_err(|error| refused(config, error))
    }

    pub(super) async fn finding(
        redis: &Redis,
        config: &Config,
    ) -> Result<Option<config::Fault>, StartError> {
        if config.stores.sessions != Store::Redis {
            return Ok(None);
        }
        let kept = redis.keeps_sessions().await;
        let kept = kept.map_err(|error| failed(Store::Redis, error))?;
        Ok((!kept).then(|| config.fault("stores.sessions", FORGETS)))
    }

    fn refused(config: &Config, error: OpenError) -> StartError {
        let told = failed(Store::Redis, error.to_string());
        let key = config
            .redis
            .as_ref()
            .map_or("redis", |redis| redis.servers.key());
        match error.into_fault() {
            fault @ (Fault::Url | Fault::Mixed) => {
                Faults(vec![config.fault(key, fault.to_string())]).into()
            }
            _ => told,
        }
    }
}
