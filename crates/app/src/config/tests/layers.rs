use std::collections::BTreeSet;

use domain::phone::{Country, PhoneNumber};
use domain::timestamp::Timestamp;

use super::*;
use crate::keyring::KeyRing;

const DEFAULT_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/default.toml");
const PRODUCTION_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/production.toml");
const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");

/// A file of the repository, its `# key = value` and `# [section]` lines made real.
fn uncommented(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| match line.strip_prefix("# ") {
        Some(rest) if rest.starts_with('[') || rest.split(' ').nth(1) == Some("=") => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn later_layers_win_and_every_value_tells_its_layer() {
    let (_folder, mut sources) = file("[code]\nlength = 7\ntries = 4\nlifetime = \"1m\"\n");
    sources.environment = environment(&[
        ("PHONE_AUTH__CODE__TRIES", "3"),
        ("PHONE_AUTH__CODE__LENGTH", "8"),
    ])
    .environment;
    sources.flags = flags(&[("code.length", "9")]).flags;
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.policy.code_length.get(), 9);
    assert_eq!(config.policy.tries, 3);
    assert_eq!(config.policy.code_lifetime, Duration::from_secs(60));
    assert_eq!(
        shown(&config, "code.length"),
        "code.length = \"9\"  # command line"
    );
    assert_eq!(
        shown(&config, "code.tries"),
        "code.tries = \"3\"  # environment PHONE_AUTH__CODE__TRIES"
    );
    assert!(shown(&config, "code.lifetime").ends_with("/my.toml"));
    assert_eq!(
        shown(&config, "code.resend_after"),
        "code.resend_after = [\"60s\", \"120s\", \"300s\"]  # built-in default"
    );
}

#[test]
fn variables_reach_lists_and_maps() {
    let config = Config::load(&environment(&[
        ("PHONE_AUTH__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("PHONE_AUTH__CODE__RESEND_AFTER", "[\"1m\", \"2m\"]"),
        ("PHONE_AUTH__SMS__GATEWAYS__STUB__DELAY", "2s"),
        ("PHONE_AUTH__SMS__GATEWAYS__SPARE__KIND", "stub"),
        ("PHONE_AUTH__SMS__ROUTES__US", "spare,stub"),
        ("PHONE_AUTH__SMS__PRICES__CN", "0.045"),
        ("PHONE_AUTH__TEST_NUMBERS__8613800138000__CODE", "012345"),
        (
            "PHONE_AUTH__TEST_NUMBERS__8613800138000__UNTIL",
            "2027-01-01",
        ),
        ("PHONE_AUTH_SERVICE_PORT", "an orchestrator's own variable"),
    ]))
    .unwrap();
    let proxies: Vec<_> = config
        .server
        .trusted_proxies
        .iter()
        .map(IpNet::to_string)
        .collect();
    assert_eq!(proxies, ["10.0.0.0/8", "::1/128"]);
    assert_eq!(
        config.policy.resend_waits.after(9),
        Duration::from_secs(120)
    );
    let us = Country::parse("US").unwrap();
    assert_eq!(config.sms.routes[&us], ["spare", "stub"]);
    assert_eq!(
        config.sms.gateways.keys().collect::<Vec<_>>(),
        ["spare", "stub"]
    );
    assert_eq!(
        format!("{:?}", config.sms.gateways["stub"].settings()),
        "Settings{\"delay\"}"
    );
    let cn = Country::parse("CN").unwrap();
    assert_eq!(config.policy.limits.prices[&cn], 45);
    let phone = PhoneNumber::parse("+8613800138000", Country::WORLD).unwrap();
    let number = &config.policy.test_numbers[&phone];
    assert_eq!(number.code.expose(), "012345");
    assert_eq!(
        number.until,
        Timestamp::parse_rfc3339("2027-01-01T00:00:00Z")
    );
}

#[test]
fn defaults_that_follow_from_other_settings_follow_them() {
    let config = Config::load(&flags(&[
        ("data.dir", "/var/lib/phone-auth"),
        ("server.public_origin", "https://login.example.com"),
        ("phone.default_region", "US"),
    ]))
    .unwrap();
    assert_eq!(
        config.sqlite_path,
        Path::new("/var/lib/phone-auth/phone-auth.db")
    );
    assert!(matches!(
        &config.keys,
        RingSource::File(path) if path == Path::new("/var/lib/phone-auth/keys.toml")
    ));
    assert_eq!(config.tokens.issuer, "https://login.example.com");
    assert_eq!(
        config.policy.phones.countries,
        Country::parse("US").map(|us| vec![us])
    );
}

#[test]
fn the_first_resend_wait_limits_the_sends_of_a_phone() {
    let config = Config::load(&flags(&[
        ("code.resend_after", "90s"),
        ("limits.sends_per_phone", "off"),
    ]));
    let limit = config.unwrap().policy.limits.sends_per_phone.unwrap();
    let windows: Vec<_> = limit
        .windows()
        .iter()
        .map(|w| (w.count, w.period.as_secs()))
        .collect();
    assert_eq!(windows, [(1, 90)]);
}

#[test]
fn a_budget_is_counted_in_thousandths() {
    let config = Config::load(&flags(&[
        ("limits.spend_overall", "12.5/24h"),
        ("sms.prices.CN", "0.0571"),
    ]));
    let limits = config.unwrap().policy.limits;
    assert_eq!(limits.spend_overall.unwrap().windows()[0].count, 12_500);
    assert_eq!(limits.prices.values().collect::<Vec<_>>(), [&58]);
}

#[test]
fn a_secret_may_be_in_a_file_and_is_never_shown() {
    let (folder, mut sources) = file(
        "[postgres]\nurl = \"postgres://u:canary-1@h/d\"\n[test_numbers.\"+8613800138000\"]\n\
         code = \"424242\"\n[sms.gateways.stub]\nfail = \"unknown\"\n[keys]\nring = \"canary-2\"\n",
    );
    let secret = folder.path().join("code");
    fs::write(&secret, "987654\n").unwrap();
    let key = "test_numbers.+8613800138000.code_file";
    sources.flags = flags(&[(key, secret.to_str().unwrap())]).flags;
    let config = Config::load(&sources).unwrap();
    let number = config.policy.test_numbers.values().next().unwrap();
    assert_eq!(number.code.expose(), "987654");
    let lines: Vec<_> = config.effective().iter().map(Setting::to_string).collect();
    let text = format!("{config:?}\n{}", lines.join("\n"));
    for secret in ["canary", "424242", "987654", "unknown\""] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(
        shown(&config, "postgres.url")
            .starts_with("postgres.url = \"postgres://(hidden)@h/d\"  # ")
    );
}

#[test]
fn the_commented_file_tells_every_default() {
    let built_in = Config::load(&Sources::default()).unwrap();
    let (_folder, sources) = file(&fs::read_to_string(DEFAULT_FILE).unwrap());
    let from_file = Config::load(&sources).unwrap();
    let values = |config: &Config| -> Vec<_> {
        config
            .effective()
            .iter()
            .map(|s| (s.key.clone(), s.value.clone()))
            .collect()
    };
    assert_eq!(values(&built_in), values(&from_file));
}

#[test]
fn the_commented_lines_of_the_files_are_real_settings() {
    let text = uncommented(DEFAULT_FILE).replace("\"hook\", ", "");
    let (_folder, sources) = file(&text);
    let config = Config::load(&sources).unwrap();
    for (key, default) in [
        ("tokens.issuer", "\"http://localhost:8080\""),
        ("keys.ring_file", "\"data/keys.toml\""),
        ("sqlite.path", "\"data/phone-auth.db\""),
        ("phone.allowed_countries", "[\"CN\"]"),
    ] {
        assert!(
            shown(&config, key).starts_with(&format!("{key} = {default}  # file ")),
            "{key}"
        );
    }
    assert_eq!(config.policy.test_numbers.len(), 1);
}

#[test]
fn the_reference_names_every_setting_and_no_other() {
    let reference = fs::read_to_string(REFERENCE).unwrap();
    let rows = reference
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: BTreeSet<_> = rows.map(str::to_owned).collect();
    let config = Config::load(&Sources::default()).unwrap();
    let mut known: BTreeSet<_> = config.effective().iter().map(|s| s.key.clone()).collect();
    known.remove("sms.gateways.stub.kind");
    let more = [
        "keys.ring",
        "sms.routes.COUNTRY",
        "sms.gateways.NAME.kind",
        "sms.prices.COUNTRY",
        "test_numbers.\"NUMBER\".code",
        "test_numbers.\"NUMBER\".until",
        "postgres.ca_file",
        "redis.cluster_urls",
        "redis.sentinel.master",
        "redis.sentinel.urls",
        "redis.ca_file",
    ];
    known.extend(more.map(str::to_owned));
    assert_eq!(documented, known);
}

#[test]
fn the_file_for_production_lacks_only_a_gateway_and_keys() {
    let (_folder, sources) = file(&fs::read_to_string(PRODUCTION_FILE).unwrap());
    let config = Config::load(&sources).unwrap();
    let found = findings(&config, &KeyRing::default());
    let keys: BTreeSet<_> = found.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, BTreeSet::from(["keys.ring_file", "sms.route"]));
}
