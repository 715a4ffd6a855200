//! The store ports: which adapter serves each.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::ports::{CodeStore, RateLimiter, SessionStore, UserRepo};

use super::adapters::{self, Adapter};
use super::limits::SplitLimits;
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
pub(crate) async fn open(config: &Config, given: &Overrides) -> Result<Stores, StartError> {
    let mut opened = Opened {
        config,
        adapters: BTreeMap::new(),
    };
    let chosen = config.stores;
    macro_rules! port {
        ($given:ident, $port:ident) => {
            match &given.$given {
                Some(port) => Arc::clone(port),
                None => opened.at(chosen.$given).await?.$port,
            }
        };
    }
    Ok(Stores {
        codes: port!(codes, codes),
        limiter: match &given.rate_limits {
            Some(limiter) => Arc::clone(limiter),
            None => opened.limiter(given).await?,
        },
        sessions: port!(sessions, sessions),
        users: match &given.users {
            Some(users) => Arc::clone(users),
            None => opened.at(chosen.users).await?.users()?,
        },
    })
}

/// Adapters, each opened at its first use and once for all ports that it serves.
struct Opened<'a> {
    config: &'a Config,
    adapters: BTreeMap<Store, Adapter>,
}

impl Opened<'_> {
    async fn at(&mut self, store: Store) -> Result<Adapter, StartError> {
        if let Some(adapter) = self.adapters.get(&store) {
            return Ok(adapter.clone());
        }
        let adapter = adapters::open(store, self.config).await?;
        self.adapters.insert(store, adapter.clone());
        Ok(adapter)
    }

    /// The limits, with the phone's failure budget where the users are: unless these are in memory
    /// or not ours to know.
    async fn limiter(&mut self, given: &Overrides) -> Result<Arc<dyn RateLimiter>, StartError> {
        let (rate_limits, users) = (self.config.stores.rate_limits, self.config.stores.users);
        let limits = self.at(rate_limits).await?.limiter;
        if users == rate_limits || users == Store::Memory || given.users.is_some() {
            return Ok(limits);
        }
        let beside_users = self.at(users).await?.limiter;
        Ok(Arc::new(SplitLimits::new(beside_users, limits)))
    }
}

/// How many steps the schema lacks, for each store that has one.
pub(crate) async fn pending_migrations(
    config: &Config,
) -> Result<Vec<(&'static str, usize)>, StartError> {
    let mut found = Vec::new();
    for store in used(config) {
        let pending = adapters::pending(store, config).await?;
        found.extend(pending.map(|steps| (store.as_str(), steps)));
    }
    Ok(found)
}

/// Brings every schema up to date, and says how many steps that took.
pub(crate) async fn migrate(config: &Config) -> Result<Vec<(&'static str, usize)>, StartError> {
    let mut done = Vec::new();
    for store in used(config) {
        let applied = adapters::migrate(store, config).await?;
        done.extend(applied.map(|steps| (store.as_str(), steps)));
    }
    Ok(done)
}

fn used(config: &Config) -> impl Iterator<Item = Store> {
    let stores = config.stores;
    Store::ALL
        .into_iter()
        .filter(move |store| stores.uses(*store))
}
