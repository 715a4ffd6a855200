//! What each section holds, and the bounds of its values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use adapter_jwt::Algorithm;
use adapter_sms::Context;
use domain::phone::Country;
use tracing_subscriber::EnvFilter;

use super::entry::{Entry, Secret};
use super::layers::dotted;
use super::policy;
use super::reader::Reader;
use super::secrets::Place;
use super::values::{DAY, MINUTE, Origin, looks_like_a_code, network, one_of};
use super::{Config, Gateway, Log, LogFormat, Profile, RingSource, Server, Sms, Tokens, stores};
use crate::system::SystemClock;

/// Reads every field before it gives up on one, so that all faults are found. A value may use the
/// fields above it.
macro_rules! all_of {
    ($name:ident { $($field:ident : $value:expr),* $(,)? }) => {{
        $(let $field = $value;)*
        Some($name { $($field: $field?),* })
    }};
}
pub(super) use all_of;

pub(super) fn read(r: &mut Reader) -> Option<Config> {
    let profiles = [
        ("development", Profile::Development),
        ("production", Profile::Production),
    ];
    all_of!(Config {
        profile: r.choice("profile", &profiles),
        server: server(r),
        data_dir: data_dir(r),
        keys: ring(r),
        policy: policy::read(r, server.as_ref().map(|server| &server.public_origin)),
        stores: stores::read(r),
        sqlite_path: r.path("sqlite.path"),
        postgres: stores::postgres(r, stores.as_ref()),
        redis: stores::redis(r, stores.as_ref()),
        sms: sms(r),
        tokens: tokens(r),
        log: log(r),
        settings: Some(Vec::new()),
    })
}

fn data_dir(r: &mut Reader) -> Option<PathBuf> {
    let folder = r.path("data.dir");
    let file = |name| {
        folder
            .clone()
            .unwrap_or_default()
            .join(name)
            .display()
            .to_string()
    };
    r.default_to("keys.ring_file", file("keys.toml"));
    r.default_to("sqlite.path", file("phone-auth.db"));
    folder
}

fn server(r: &mut Reader) -> Option<Server> {
    let processors = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(1024);
    r.default_to("server.workers", processors as i64);
    let address = "an address and a port, such as \"127.0.0.1:8080\"";
    let server = all_of!(Server {
        bind: r.get("server.bind", address, |e| e.text()?.parse().ok()),
        public_origin: public_origin(r),
        ops_bind: r.get("server.ops_bind", address, |e| e.text()?.parse().ok()),
        ops_public: r.flag("server.ops_public"),
        trusted_proxies: r.get(
            "server.trusted_proxies",
            "a list of addresses and ranges, none of them everybody, such as [\"10.0.0.0/8\"]",
            |e| e.list()?.iter().map(|text| network(text)).collect(),
        ),
        short_contract: r.flag("server.short_contract"),
        docs: r.flag("server.docs"),
        workers: r.integer("server.workers", 1..=1024),
        drain: r.duration("server.drain", Duration::ZERO..=5 * MINUTE),
    })?;
    if server.bind == server.ops_bind && server.bind.port() != 0 {
        r.refuse_value(
            "server.ops_bind",
            "that is server.bind already: write another port",
        );
    }
    Some(server)
}

fn public_origin(r: &mut Reader) -> Option<Origin> {
    let key = "server.public_origin";
    let want = "scheme, host and, if it is not the usual one, port, with nothing after them, such \
                as \"https://login.example.com\"";
    let origin = r.get(key, want, |e| Origin::parse(&e.text()?));
    r.default_to(
        "tokens.issuer",
        origin.as_ref().map_or("missing", Origin::as_str),
    );
    let origin = origin?;
    if looks_like_a_code(origin.host()) {
        r.refuse_value(
            key,
            "its digits could be mistaken for a code: write a name without them",
        );
    }
    Some(origin)
}

fn ring(r: &mut Reader) -> Option<RingSource> {
    match r.place("keys.ring")? {
        Place::Here => r.secret("keys.ring")?.map(RingSource::Text),
        _ => r.path("keys.ring_file").map(RingSource::File),
    }
}

fn sms(r: &mut Reader) -> Option<Sms> {
    let names = r.names_below("sms.gateways");
    all_of!(Sms {
        route: route(r, "sms.route", &names),
        routes: routes(r, &names),
        gateways: gateways(r, &names),
        workers: r.integer("sms.workers", 1..=256),
        queue: r.integer("sms.queue", 1..=100_000),
    })
}

fn route(r: &mut Reader, key: &str, gateways: &BTreeSet<String>) -> Option<Vec<String>> {
    let route = r.get(key, "a list of gateways, such as [\"stub\"]", |e| {
        e.list().filter(|names| !names.is_empty())
    })?;
    for name in route.iter().filter(|name| !gateways.contains(*name)) {
        let known = one_of(gateways.iter().map(String::as_str));
        let section = dotted(&["sms", "gateways", name]);
        let remedy = format!("there is no section [{section}]: add it, or write {known}");
        r.refuse_value(key, &remedy);
    }
    Some(route)
}

fn routes(r: &mut Reader, gateways: &BTreeSet<String>) -> Option<BTreeMap<Country, Vec<String>>> {
    let routes = r.names_below("sms.routes").into_iter().map(|name| {
        let key = dotted(&["sms", "routes", &name]);
        let route = route(r, &key, gateways);
        Some((policy::country_of_key(r, &key, &name)?, route?))
    });
    routes.collect::<Vec<_>>().into_iter().collect()
}

fn gateways(r: &mut Reader, names: &BTreeSet<String>) -> Option<BTreeMap<String, Gateway>> {
    let gateways = names
        .iter()
        .map(|name| Some((name.clone(), gateway(r, name)?)));
    gateways.collect::<Vec<_>>().into_iter().collect()
}

fn gateway(r: &mut Reader, name: &str) -> Option<Gateway> {
    let section = dotted(&["sms", "gateways", name]);
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if !name.bytes().all(is_plain) {
        r.refuse(
            &section,
            "is no name of a gateway: write lower-case letters, digits, - and _",
        );
    }
    let kind = format!("{section}.kind");
    let gateway = all_of!(Gateway {
        kind: r.get(&kind, "the kind of gateway, such as \"stub\"", Entry::text),
        settings: gateway_settings(r, &section),
    })?;
    // Only to find its faults. The time and the outbox are not looked at.
    let context = Context {
        clock: Arc::new(SystemClock),
        outbox: Arc::default(),
    };
    let built = adapter_sms::build(&gateway.kind, name, gateway.settings(), &context);
    for fault in built.err().into_iter().flatten() {
        r.refuse(&format!("{section}.{}", fault.key), fault.text);
    }
    Some(gateway)
}

/// Everything but the kind. Only the gateway itself knows which of them are secret, so all are
/// hidden.
fn gateway_settings(r: &mut Reader, section: &str) -> Option<BTreeMap<String, Secret>> {
    let names = r
        .names_below(section)
        .into_iter()
        .filter(|name| name != "kind");
    let names: BTreeSet<_> = names
        .map(|name| name.strip_suffix("_file").unwrap_or(&name).to_owned())
        .collect();
    let settings = names.into_iter().map(|name| {
        let value = r.secret(&format!("{section}.{}", dotted(&[&name])))?;
        value.map(|value| (name, value))
    });
    settings.collect::<Vec<_>>().into_iter().collect()
}

fn tokens(r: &mut Reader) -> Option<Tokens> {
    let algorithms = Algorithm::ALL.map(|algorithm| (algorithm.as_str(), algorithm));
    let want = "a text of 1 to 255 characters";
    let short = |text: &String| (1..=255).contains(&text.chars().count());
    all_of!(Tokens {
        issuer: r.get("tokens.issuer", want, |e| e.text().filter(short)),
        audience: r.get("tokens.audience", want, |e| e.text().filter(short)),
        algorithm: r.choice("tokens.algorithm", &algorithms),
        // Others may keep the published keys for five minutes, and processes look for new ones.
        key_overlap: r.duration("tokens.key_overlap", 10 * MINUTE..=30 * DAY),
    })
}

/// EnvFilter would take any other word for the name of a module.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

fn log(r: &mut Reader) -> Option<Log> {
    let is_level = |text: &str| text.rsplit('=').next().is_some_and(|l| LEVELS.contains(&l));
    let want = "a level, such as \"info\" or \"info,actix_web=warn\"";
    all_of!(Log {
        level: r.get("log.level", want, |e| {
            e.text()
                .filter(|text| EnvFilter::try_new(text).is_ok() && text.split(',').all(is_level))
        }),
        format: r.choice(
            "log.format",
            &[("text", LogFormat::Text), ("json", LogFormat::Json)]
        ),
    })
}
