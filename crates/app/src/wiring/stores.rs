//! The store ports: which adapter serves each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::ports::{CodeStore, RateLimiter, SessionStore, StoreError, UserRepo};
use domain::rate_limit::Scope;
use futures_util::future::join_all;

use super::adapters::{self, Adapter};
use super::limits::SplitLimits;
use crate::builder::Overrides;
use crate::config::{Config, Fault, Store};
use crate::start::StartError;
use crate::watch::{Ask, Serving, Watch, Watched};

/// The four store ports.
pub(crate) struct Stores {
    pub(crate) codes: Arc<dyn CodeStore>,
    pub(crate) limiter: Arc<dyn RateLimiter>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) users: Arc<dyn UserRepo>,
    pub(crate) serving: Serving,
    /// What is too weak for production in how the servers are set up.
    pub(crate) findings: Vec<Fault>,
}

/// What the configuration names, unless a port was given.
pub(crate) async fn open(config: &Config, given: &Overrides) -> Result<Stores, StartError> {
    let adapters = open_all(needed(config, given), config).await?;
    let mut opened = Opened {
        config,
        serving: Serving {
            watches: adapters.values().map(|a| Arc::clone(&a.watch)).collect(),
            ..Serving::default()
        },
        adapters,
        findings: Vec::new(),
    };
    let chosen = config.stores;
    Ok(Stores {
        codes: match &given.codes {
            Some(codes) => opened.given("codes", codes),
            None => opened.at("codes", chosen.codes)?.codes(),
        },
        limiter: match &given.rate_limits {
            Some(limiter) => opened.given("rate_limits", limiter),
            None if given.users.is_none() => opened.limits_and_budget()?,
            None => opened.at("rate_limits", chosen.rate_limits)?.limiter(),
        },
        sessions: match &given.sessions {
            Some(sessions) => opened.given("sessions", sessions),
            None => opened.kept_at("sessions", chosen.sessions)?.sessions(),
        },
        users: match &given.users {
            Some(users) => opened.given("users", users),
            None => opened.kept_at("users", chosen.users)?.users()?,
        },
        serving: opened.serving,
        findings: opened.findings,
    })
}

/// The stores of the ports that were not given.
fn needed(config: &Config, given: &Overrides) -> BTreeSet<Store> {
    let chosen = config.stores;
    let ports = [
        (given.codes.is_none(), chosen.codes),
        (given.rate_limits.is_none(), chosen.rate_limits),
        (given.sessions.is_none(), chosen.sessions),
        (given.users.is_none(), chosen.users),
    ];
    let needed = ports.into_iter().filter(|(needed, _)| *needed);
    needed.map(|(_, store)| store).collect()
}

/// Opens the adapters side by side: a start that fails says soon all that it fails for.
async fn open_all(
    stores: BTreeSet<Store>,
    config: &Config,
) -> Result<BTreeMap<Store, Adapter>, StartError> {
    // The file last, for it keeps this thread: the time of the servers runs by then.
    let opening = stores.into_iter().rev();
    let opening = opening.map(async |store| (store, adapters::open(store, config).await));
    let (mut opened, mut failed) = (BTreeMap::new(), Vec::new());
    for (store, adapter) in join_all(opening).await {
        match adapter {
            Ok(adapter) => drop(opened.insert(store, adapter)),
            Err(error) => failed.push(error),
        }
    }
    match failed.is_empty() {
        true => Ok(opened),
        false => Err(StartError::Stores(failed)),
    }
}

/// Adapters, each open once for all ports that it serves.
struct Opened<'a> {
    config: &'a Config,
    adapters: BTreeMap<Store, Adapter>,
    serving: Serving,
    findings: Vec<Fault>,
}

impl Opened<'_> {
    /// The adapter that serves a port.
    fn at(&mut self, port: &'static str, store: Store) -> Result<Adapter, StartError> {
        self.serving
            .stores
            .insert(port, self.config.place_of(store));
        let adapter = self.adapters.get(&store).cloned();
        adapter.ok_or_else(|| adapters::missing(store))
    }

    /// The adapter that serves a port of what has to be kept, whatever crashes.
    fn kept_at(&mut self, port: &'static str, store: Store) -> Result<Adapter, StartError> {
        let adapter = self.at(port, store)?;
        self.findings.extend(adapter.finding.clone());
        self.findings.dedup();
        Ok(adapter)
    }

    /// A port that was given, under a watch of its own.
    fn given<P: ?Sized>(&mut self, port: &'static str, given: &Arc<P>) -> Arc<Watched<P>>
    where
        Arc<P>: Ask + 'static,
    {
        let name = format!("the given {port}");
        let watch = Watch::new(name.clone());
        let watched = watch.over(Arc::clone(given));
        self.serving.stores.insert(port, name);
        self.serving.watches.push(watch);
        watched
    }

    /// The limits, with the phone's failure budget where the users are, unless these are in memory.
    fn limits_and_budget(&mut self) -> Result<Arc<dyn RateLimiter>, StartError> {
        let (limits, users) = (self.config.stores.rate_limits, self.config.stores.users);
        let limiter = self.at("rate_limits", limits)?.limiter();
        if users == limits || users == Store::Memory {
            return Ok(limiter);
        }
        let beside_users = self.at(Scope::FailuresPerPhone.as_str(), users)?.limiter();
        Ok(Arc::new(SplitLimits::new(beside_users, limiter)))
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

/// Whether each store answers whose schema lacks nothing.
pub(crate) async fn health_of_complete(
    config: &Config,
    pending: &[(&'static str, usize)],
) -> Result<Vec<(&'static str, Result<(), StoreError>)>, StartError> {
    let lacks = |store: &Store| {
        pending
            .iter()
            .any(|(name, steps)| *name == store.as_str() && *steps > 0)
    };
    let mut found = Vec::new();
    let complete = used(config).filter(|store| !lacks(store));
    for (store, adapter) in open_all(complete.collect(), config).await? {
        found.push((store.as_str(), adapter.health(store, config).await));
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
