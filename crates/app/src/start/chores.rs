//! What goes on beside the servers.

use std::sync::Arc;
use std::time::Duration;

use adapter_jwt::JwtIssuer;
use domain::auth::Auth;
use domain::ports::with_causes;
use tokio::task::JoinHandle;

use super::{StartError, key_ring};
use crate::builder::Overrides;
use crate::config::Config;
use crate::keyring::KeyRing;
use crate::telemetry;
use crate::watch::{Serving, is_outage};
use crate::wiring;

/// How often what is over is removed from the stores.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// How many rows of each store one sweep step removes, so that it never holds a store for long.
const SWEEP_STEP: usize = 1000;

/// How often the key ring is looked at for keys that were added, or whose moment has come. Far
/// below the overlap, so that every process knows a key before anybody uses it.
const KEYS_EVERY: Duration = Duration::from_secs(10);

/// What goes on for the sake of stores and metrics.
pub(super) fn over_stores(auth: &Arc<Auth>, serving: &Serving) -> Vec<JoinHandle<()>> {
    let watches = serving.watches.iter().cloned();
    let watching = watches.map(|watch| tokio::spawn(watch.keep()));
    let others = [
        tokio::spawn(telemetry::keep_metrics()),
        tokio::spawn(sweep(Arc::clone(auth))),
    ];
    watching.chain(others).collect()
}

/// Removes what is over from the stores, for as long as it is awaited.
async fn sweep(auth: Arc<Auth>) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        loop {
            match auth.sweep(SWEEP_STEP).await {
                Ok(removed) if removed >= SWEEP_STEP => tokio::task::yield_now().await,
                Ok(_) => break,
                Err(error) if is_outage(&error) => break,
                Err(error) => {
                    tracing::warn!(
                        error = with_causes(&error),
                        "nothing swept, trying again later"
                    );
                    break;
                }
            }
        }
    }
}

/// Follows the key ring, for as long as it is awaited.
pub(super) async fn follow_keys(
    config: Config,
    mut ring: KeyRing,
    auth: Arc<Auth>,
    issuer: Option<Arc<JwtIssuer>>,
    given: Overrides,
) {
    let mut ticks = tokio::time::interval(KEYS_EVERY);
    loop {
        ticks.tick().await;
        let renewed = key_ring(&config, &given)
            .and_then(|found| use_keys(&ring, found, &auth, issuer.as_deref(), &given));
        match renewed {
            Ok(found) => ring = found,
            Err(error) => {
                tracing::error!(error = with_causes(&error), "going on with the keys in use");
            }
        }
    }
}

fn use_keys(
    known: &KeyRing,
    found: KeyRing,
    auth: &Auth,
    issuer: Option<&JwtIssuer>,
    given: &Overrides,
) -> Result<KeyRing, StartError> {
    // Always: the moment of a key that is long known may have come.
    auth.rekey(found.vault(wiring::clock(given).now())?);
    // Only when they changed: it forgets which tokens were verified.
    if let Some(issuer) = issuer.filter(|_| found != *known) {
        issuer.replace_keys(found.key_set()?);
        tracing::info!(keys = ?found, "the key ring has changed");
    }
    Ok(found)
}
