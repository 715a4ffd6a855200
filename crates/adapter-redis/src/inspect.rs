//! What a server says of itself, and whether it will do.

use crate::error::Fault;
use crate::settings::Servers;

/// What a user has to be allowed.
pub(crate) const COMMANDS: &str = "+info +select +eval +evalsha +exists +del +pexpire +pttl +set \
     +setrange +hget +hset +hsetnx +hmget +hgetall +hincrby +sadd +srem +smembers +zadd +zrem \
     +zrevrange +zrangebyscore +zremrangebyscore";

/// The oldest version that the scripts are written for.
const OLDEST: (u32, u32) = (6, 2);

/// Judges the answer to INFO. Says what the server calls itself, which is new after a restart; a
/// proxy may hide it.
pub(crate) fn inspect(info: String, servers: &Servers) -> Result<String, Fault> {
    let line = |name: &str| {
        let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.to_owned());
        info.lines().find_map(value)
    };
    let wants_cluster = matches!(servers, Servers::Cluster(_));
    // Valkey has a name of its own for it.
    let mode = line("redis_mode").or_else(|| line("server_mode"));
    match mode.as_deref().unwrap_or_default() {
        "sentinel" => return Err(Fault::Sentinel(servers.key())),
        "cluster" if !wants_cluster => return Err(Fault::Cluster(servers.key())),
        "standalone" if wants_cluster => return Err(Fault::NoCluster),
        _ => {}
    }
    let version = line("redis_version").unwrap_or_default();
    if parse(&version) < Some(OLDEST) {
        return Err(Fault::TooOld(version));
    }
    let policy = line("maxmemory_policy").unwrap_or_default();
    if policy != "noeviction" {
        return Err(Fault::Evicting(policy));
    }
    if line("role").as_deref() != Some("master") {
        return Err(Fault::Replica);
    }
    Ok(line("run_id").unwrap_or_default())
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(of: &[(&str, &str)]) -> String {
        let plain = [
            ("redis_version", "7.0.15"),
            ("redis_mode", "standalone"),
            ("maxmemory_policy", "noeviction"),
            ("role", "master"),
        ];
        let of = |(name, value): &(&str, &str)| {
            let other = of.iter().find(|(other, _)| other == name);
            format!("{name}:{}\r\n", other.map_or(*value, |(_, value)| value))
        };
        plain.iter().map(of).collect()
    }

    fn judge(of: &[(&str, &str)]) -> Result<String, Fault> {
        inspect(info(of), &Servers::Single(String::new()))
    }

    #[test]
    fn versions_from_6_2_on_will_do() {
        for good in ["6.2.0", "6.2.14", "7.4.1", "8.0.2", "10.0.0"] {
            assert!(judge(&[("redis_version", good)]).is_ok(), "{good}");
        }
        for old in ["6.0.16", "5.0.7", "2.8.24", "unstable", ""] {
            let judged = judge(&[("redis_version", old)]);
            assert!(matches!(judged, Err(Fault::TooOld(_))), "{old}");
        }
    }

    #[test]
    fn only_a_server_that_keeps_all_keys_will_do() {
        for evicting in ["allkeys-lru", "volatile-ttl", "allkeys-random", ""] {
            let judged = judge(&[("maxmemory_policy", evicting)]);
            assert!(matches!(judged, Err(Fault::Evicting(_))), "{evicting}");
        }
    }

    #[test]
    fn a_replica_or_a_server_of_another_kind_will_not_do() {
        assert!(matches!(judge(&[("role", "slave")]), Err(Fault::Replica)));
        let cluster = judge(&[("redis_mode", "cluster")]);
        assert!(matches!(cluster, Err(Fault::Cluster("redis.url"))));
        let sentinel = judge(&[("redis_mode", "sentinel")]);
        assert!(matches!(sentinel, Err(Fault::Sentinel("redis.url"))));
        let valkey = info(&[]).replace("redis_mode:standalone", "server_mode:cluster");
        let valkey = inspect(valkey, &Servers::Single(String::new()));
        assert!(matches!(valkey, Err(Fault::Cluster("redis.url"))));
        let single = inspect(info(&[]), &Servers::Cluster(Vec::new()));
        assert!(matches!(single, Err(Fault::NoCluster)));
    }
}
