//! Which store serves each port, and how to reach those that are servers.

use std::fmt;
use std::path::PathBuf;

use super::entry::Entry;
use super::reader::Reader;
use super::sections::all_of;
use super::server_url::ServerUrl;
use super::values::one_of;
use super::{Config, Postgres, Redis, RedisServers, Store, Stores};

const POSTGRES: &[&str] = &["postgres", "postgresql"];
const REDIS: &[&str] = &["redis", "rediss"];

pub(super) fn read(r: &mut Reader) -> Option<Stores> {
    let any = |_| true;
    all_of!(Stores {
        codes: store(r, "stores.codes", any),
        rate_limits: store(r, "stores.rate_limits", any),
        sessions: store(r, "stores.sessions", any),
        users: store(r, "stores.users", |store| store != Store::Redis),
    })
}

fn store(r: &mut Reader, key: &str, has_port: impl Fn(Store) -> bool) -> Option<Store> {
    let serves = |store: Store| store.is_built() && has_port(store);
    let usable = Store::ALL.into_iter().filter(|store| serves(*store));
    let words = one_of(usable.map(Store::as_str));
    let text = r.get(key, &words, Entry::text)?;
    let remedy = match Store::ALL.into_iter().find(|store| store.as_str() == text) {
        Some(store) if serves(store) => return Some(store),
        Some(store) if !has_port(store) => {
            format!("it may lose what it holds, and users have to stay: write {words}")
        }
        Some(_) => format!("this build is without it (cargo feature {text}): write {words}"),
        None => format!("write {words}"),
    };
    r.refuse_value(key, &remedy);
    None
}

/// How to reach PostgreSQL, where a port is there.
pub(super) fn postgres(r: &mut Reader, stores: Option<&Stores>) -> Option<Option<Postgres>> {
    r.section_if(is_used(stores, Store::Postgres), |r| {
        let example = "postgres://USER:PASSWORD@HOST/DATABASE";
        all_of!(Postgres {
            url: r.url("postgres.url", POSTGRES, example),
            pool: r.integer("postgres.pool", 1..=1000),
            ca_file: ca_file(r, "postgres.ca_file"),
        })
    })
}

/// How to reach Redis, where a port is there.
pub(super) fn redis(r: &mut Reader, stores: Option<&Stores>) -> Option<Option<Redis>> {
    r.section_if(is_used(stores, Store::Redis), |r| {
        let want = "1 to 64 ASCII characters without space, { and }, such as \"phone-auth:\"";
        let is_prefix = |text: &String| {
            let plain = |b: u8| b.is_ascii_graphic() && b != b'{' && b != b'}';
            (1..=64).contains(&text.len()) && text.bytes().all(plain)
        };
        all_of!(Redis {
            servers: redis_servers(r),
            prefix: r.get("redis.prefix", want, |e| e.text().filter(is_prefix)),
            ca_file: ca_file(r, "redis.ca_file"),
        })
    })
}

fn is_used(stores: Option<&Stores>, store: Store) -> bool {
    stores.is_some_and(|stores| stores.uses(store))
}

fn ca_file(r: &mut Reader, key: &str) -> Option<Option<PathBuf>> {
    r.optional(key, "the path of a PEM file", |e| {
        e.text().filter(|text| !text.is_empty()).map(PathBuf::from)
    })
}

/// The one of three ways that the latest layer gives.
fn redis_servers(r: &mut Reader) -> Option<RedisServers> {
    let (url, cluster) = ("redis.url", "redis.cluster_urls");
    let (master, sentinels) = ("redis.sentinel.master", "redis.sentinel.urls");
    let ways = [
        (r.secret_rank(url), url),
        (r.secret_rank(cluster), cluster),
        (r.secret_rank(sentinels).max(r.rank(master)), sentinels),
    ];
    let (latest, way) = ways.into_iter().max_by_key(|(rank, _)| *rank)?;
    let also = ways
        .iter()
        .find(|(rank, key)| latest.is_some() && *rank == latest && *key != way);
    if let Some((_, also)) = also {
        r.refuse(way, format!("stands beside {also}: write one of the two"));
        return None;
    }
    if way == url {
        let example = "redis://USER:PASSWORD@HOST:6379";
        return r.url(url, REDIS, example).map(RedisServers::Single);
    }
    if way == cluster {
        let example = "a list of nodes, such as [\"redis://USER:PASSWORD@HOST:6379\"]";
        return r.urls(cluster, REDIS, example).map(RedisServers::Cluster);
    }
    let want = "the name that the sentinels know the master by, such as \"mymaster\"";
    let master = r.get(master, want, |e| e.text().filter(|text| !text.is_empty()));
    let urls = r.urls(
        sentinels,
        REDIS,
        "a list of sentinels, such as [\"redis://HOST:26379\"]",
    );
    Some(RedisServers::Sentinel {
        master: master?,
        urls: urls?,
    })
}

impl Config {
    /// A store and where it is, for people: `postgres at db.example.com/phone_auth`.
    pub fn place_of(&self, store: Store) -> String {
        let place = match store {
            Store::Memory => None,
            Store::Sqlite => Some(self.sqlite_path.display().to_string()),
            Store::Postgres => self.postgres.as_ref().map(|it| it.url.server().to_owned()),
            Store::Redis => self.redis.as_ref().map(|it| it.servers.to_string()),
        };
        match place {
            Some(place) => format!("{} at {place}", store.as_str()),
            None => store.as_str().to_owned(),
        }
    }
}

impl RedisServers {
    /// The key that names them.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Single(_) => "redis.url",
            Self::Cluster(_) => "redis.cluster_urls",
            Self::Sentinel { .. } => "redis.sentinel.urls",
        }
    }

    /// Their URLs.
    pub fn urls(&self) -> &[ServerUrl] {
        match self {
            Self::Single(url) => std::slice::from_ref(url),
            Self::Cluster(urls) | Self::Sentinel { urls, .. } => urls,
        }
    }
}

/// `10.0.0.5:6379`, several of them, or `mymaster of 10.0.0.7:26379`.
impl fmt::Display for RedisServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Sentinel { master, .. } = self {
            write!(f, "{master} of ")?;
        }
        let servers: Vec<_> = self.urls().iter().map(ServerUrl::server).collect();
        f.write_str(&servers.join(", "))
    }
}
