//! Logs, metrics and the audit trail.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use domain::code::DeliveryStatus;
use domain::event::Event;
use domain::phone::Country;
use domain::ports::EventSink;
use metrics::{Counter, counter};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::RwLock;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Upper bounds of the latency histogram in seconds.
const LATENCY_BUCKETS: [f64; 11] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5,
];

/// How often the recorder tidies up: without it, memory grows while nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// The process's metrics: one recorder, however many services run in the process.
pub(crate) fn metrics() -> Option<&'static PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            let latency = Matcher::Suffix("_seconds".to_owned());
            PrometheusBuilder::new()
                .set_buckets_for_metric(latency, &LATENCY_BUCKETS)
                .and_then(|builder| builder.install_recorder())
                .inspect_err(|error| tracing::error!(%error, "no metrics"))
                .ok()
        })
        .as_ref()
}

/// Writes log lines to standard output, as configured. A process has one log: the first wins.
pub(crate) fn log_to_stdout(log: &Log) {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_default();
    let lines = tracing_subscriber::fmt().with_env_filter(filter);
    let set = match log.format {
        LogFormat::Text => lines.with_ansi(std::io::stdout().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    // A program that embeds the service may log in its own way.
    let _ = set;
}

/// Tidies the metrics up, for as long as it is awaited.
pub(crate) async fn keep_metrics() {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        if let Some(metrics) = metrics() {
            metrics.run_upkeep();
        }
    }
}

/// The domain's events as metrics and as log lines of the target `audit`.
///
/// Sign-ins, sign-outs and signs of theft are `info` and `warn`; what happens with every message
/// is `debug`, and counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Telemetry;

impl EventSink for Telemetry {
    fn record(&self, event: &Event) {
        count(event);
        log(event);
    }
}

/// A counter whose labels are known here, looked up once: a look-up hashes every label.
macro_rules! known {
    ($($counter:tt)*) => {{
        static COUNTER: LazyLock<Counter> = LazyLock::new(|| counter!($($counter)*));
        &*COUNTER
    }};
}

fn count(event: &Event) {
    match event {
        Event::CodeRequested { country, .. } => count_queued(*country),
        Event::CodeDelivered { status, .. } => messages(*status).increment(1),
        Event::Limited { scope } => {
            counter!("phone_auth_limited_total", "limit" => scope.as_str()).increment(1);
        }
        Event::CodeIncorrect { .. } => {
            known!("phone_auth_code_rejected_total", "reason" => "incorrect").increment(1);
        }
        Event::CodeGone => {
            known!("phone_auth_code_rejected_total", "reason" => "gone").increment(1);
        }
        Event::UserCreated { .. } => known!("phone_auth_users_created_total").increment(1),
        Event::SignedIn { .. } => known!("phone_auth_sign_ins_total").increment(1),
        Event::Refreshed { .. } => known!("phone_auth_refreshes_total").increment(1),
        Event::RefreshReused { .. } => known!("phone_auth_refresh_reused_total").increment(1),
        Event::SignedOut { sessions, .. } => {
            known!("phone_auth_sign_outs_total").increment(*sessions);
        }
        Event::UserDeleted { .. } => known!("phone_auth_users_deleted_total").increment(1),
        Event::Trouble { part, .. } => {
            counter!("phone_auth_trouble_total", "part" => part.as_str()).increment(1);
        }
    }
}

fn messages(status: DeliveryStatus) -> &'static Counter {
    match status {
        DeliveryStatus::Queued => known!("phone_auth_messages_total", "status" => "queued"),
        DeliveryStatus::Sent => known!("phone_auth_messages_total", "status" => "sent"),
        DeliveryStatus::Delivered => known!("phone_auth_messages_total", "status" => "delivered"),
        DeliveryStatus::Failed => known!("phone_auth_messages_total", "status" => "failed"),
    }
}

fn count_queued(country: Country) {
    static COUNTERS: RwLock<BTreeMap<Country, Counter>> = RwLock::new(BTreeMap::new());
    if let Some(counter) = COUNTERS.read().get(&country) {
        return counter.increment(1);
    }
    let new = || counter!("phone_auth_messages_queued_total", "country" => country.to_string());
    COUNTERS
        .write()
        .entry(country)
        .or_insert_with(new)
        .increment(1);
}

fn log(event: &Event) {
    match event {
        Event::CodeRequested {
            code,
            country,
            send,
        } => {
            tracing::debug!(target: "audit", %code, %country, send, "code requested");
        }
        Event::CodeDelivered {
            code,
            status: DeliveryStatus::Failed,
            error,
        } => {
            let error = error.as_deref().unwrap_or("unknown");
            tracing::warn!(target: "audit", %code, error, "message not sent");
        }
        Event::CodeDelivered { code, status, .. } => {
            tracing::debug!(target: "audit", %code, status = status.as_str(), "message done");
        }
        Event::Limited { scope } => {
            tracing::debug!(target: "audit", limit = scope.as_str(), "limit reached");
        }
        Event::CodeIncorrect { code } => tracing::debug!(target: "audit", %code, "wrong code"),
        Event::CodeGone => tracing::debug!(target: "audit", "dead code tried"),
        Event::UserCreated { user } => tracing::info!(target: "audit", %user, "user created"),
        Event::SignedIn { user, session } => {
            tracing::info!(target: "audit", %user, %session, "signed in");
        }
        Event::Refreshed { session } => tracing::debug!(target: "audit", %session, "refreshed"),
        Event::RefreshReused { session } => {
            tracing::warn!(target: "audit", %session, "refresh token reused: session ended");
        }
        Event::SignedOut { user, sessions } => {
            tracing::info!(target: "audit", %user, sessions, "signed out");
        }
        Event::UserDeleted { user } => tracing::info!(target: "audit", %user, "user deleted"),
        // The store's watch has told of it.
        Event::Trouble {
            part,
            error,
            outage: true,
        } => tracing::debug!(part = part.as_str(), %error, "an outage behind an answer"),
        Event::Trouble { part, error, .. } => {
            tracing::error!(part = part.as_str(), %error, "something failed behind an answer");
        }
    }
}
