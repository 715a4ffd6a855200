//! The store ports: which adapter serves each.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::ports::{CodeStore, RateLimiter, SessionStore, StoreError, UserRepo};
use domain::rate_limit::Scope;

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
    let mut opened = Opened {
        config,
        adapters: BTreeMap::new(),
        serving: Serving::default(),
        findings: Vec::new(),
    };
    let chosen = config.stores;
    Ok(Stores {
        codes: match &given.codes {
            Some(codes) => opened.given("codes", codes),
            None => opened.at("codes", chosen.codes).await?.codes(),
        },
        limiter: match &given.rate_limits {
            Some(limiter) => opened.given("rate_limits", limiter),
            None if given.users.is_none() => opened.limits_and_budget().await?,
            None => opened
                .at("rate_limits", chosen.rate_limits)
                .await?
                .limiter(),
        },
        sessions: match &given.sessions {
            Some(sessions) => opened.given("sessions", sessions),
            None => {
                let adapter = opened.at("sessions", chosen.sessions).await?;
                opened.findings.extend(adapter.finding.clone());
                adapter.sessions()
            }
        },
        users: match &given.users {
            Some(users) => opened.given("users", users),
            None => opened.at("users", chosen.users).await?.users()?,
        },
        serving: opened.serving,
        findings: opened.findings,
    })
}

/// Adapters, each opened at its first use and once for all ports that it serves.
struct Opened<'a> {
    config: &'a Config,
    adapters: BTreeMap<Store, Adapter>,
    serving: Serving,
    findings: Vec<Fault>,
}

impl Opened<'_> {
    /// The adapter that serves a port.
    async fn at(&mut self, port: &'static str, store: Store) -> Result<Adapter, StartError> {
        self.serving
            .stores
            .insert(port, self.config.place_of(store));
        if let Some(adapter) = self.adapters.get(&store) {
            return Ok(adapter.clone());
        }
        let adapter = adapters::open(store, self.config).await?;
        self.serving.watches.push(Arc::clone(&adapter.watch));
        self.adapters.insert(store, adapter.clone());
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
    async fn limits_and_budget(&mut self) -> Result<Arc<dyn RateLimiter>, StartError> {
        let (limits, users) = (self.config.stores.rate_limits, self.config.stores.users);
        let limiter = self.at("rate_limits", limits).await?.limiter();
        if users == limits || users == Store::Memory {
            return Ok(limiter);
        }
        let beside_users = self
            .at(Scope::FailuresPerPhone.as_str(), users)
            .await?
            .limiter();
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
    for store in used(config).filter(|store| !lacks(store)) {
        let adapter = adapters::open(store, config).await?;
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
