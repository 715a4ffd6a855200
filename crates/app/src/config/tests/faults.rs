use super::*;

/// A flag, and below it what its fault says after key and layer.
const FLAGS_AND_FAULTS: &str = r##"
profile=prod
    cannot be "prod": write "development" or "production"
server.bind=localhost:8080
    cannot be "localhost:8080": write an address and a port, such as "127.0.0.1:8080"
server.ops_bind=127.0.0.1:8080
    cannot be "127.0.0.1:8080": that is server.bind already: write another port
server.public_origin=https://login.example.com/
    cannot be "https://login.example.com/": write scheme, host and, if it is not the usual one, port, with nothing after them, such as "https://login.example.com"
server.public_origin=https://a123456.example.com
    cannot be "https://a123456.example.com": its digits could be mistaken for a code: write a name without them
server.trusted_proxies=10.0.0.0/8,0.0.0.0/0
    cannot be "10.0.0.0/8,0.0.0.0/0": write a list of addresses and ranges, none of them everybody, such as ["10.0.0.0/8"]
server.docs=yes
    cannot be "yes": write true or false
server.workers=0
    cannot be "0": write a whole number from 1 to 1024
data.dir=
    cannot be "": write a path
phone.default_region=cn
    cannot be "cn": write an ISO 3166 region, such as "CN"
phone.allowed_countries=CN,XX
    cannot be "CN,XX": write a list of ISO 3166 regions, such as ["CN", "SG"], or ["*"] for all
phone.allowed_kinds=mobil
    cannot be "mobil": write a list of "fixed_line", "mobile", "fixed_line_or_mobile", "toll_free", "premium_rate", "shared_cost", "voip", "personal_number", "pager", "uan", "voicemail" or "unknown"
code.length=5
    cannot be "5": write a whole number from 6 to 10
code.length=11
    cannot be "11": write a whole number from 6 to 10
code.length=six
    cannot be "six": write a whole number from 6 to 10
code.lifetime=0s
    cannot be "0s": write a duration from 1s to 10m
code.lifetime=601s
    cannot be "601s": write a duration from 1s to 10m
code.lifetime=5
    cannot be "5": write a duration from 1s to 10m
code.tries=0
    cannot be "0": write a whole number from 1 to 10
code.tries=11
    cannot be "11": write a whole number from 1 to 10
code.resend_after=60s,0s
    cannot be "60s,0s": write a list of 1 to 10 durations from 1s to 1h, such as ["60s", "5m"]
stores.codes=oracle
    cannot be "oracle": write "memory", "sqlite", "postgres" or "redis"
stores.users=redis
    cannot be "redis": it may lose what it holds, and users have to stay: write "memory", "sqlite" or "postgres"
sms.route=hook
    cannot be "hook": there is no section [sms.gateways.hook]: add it, or write "stub"
sms.route=
    cannot be "": write a list of gateways, such as ["stub"]
sms.routes.ZZ=stub
    names no country: write an ISO 3166 region instead, such as CN
sms.brand=A 123456
    cannot be "A 123456": write 1 to 30 characters without line breaks and without a run of 6 digits, which could be mistaken for a code
sms.gateways.stub.kind=stup
    is no kind of gateway: write stub
sms.gateways.stub.delay=31s
    cannot be that: write a duration of at most 30s, such as 200ms
sms.prices.CN=cheap
    cannot be "cheap": write the price of one message, such as 0.045
limits.spend_overall=50/24h
    cannot be "50/24h": CN has no price: write it at sms.prices.CN
limits.sends_per_address=5/
    cannot be "5/": write a count and a window of 1s to 31d, or several separated by commas, such as "5/1h, 10/24h", or "off"
limits.sends_per_phone=100/24h
    cannot be "100/24h": the longest window is more than 100 times the shortest (code.resend_after is a window too): write windows closer to each other
limits.failures_per_phone=off
    cannot be "off": write a limit of at most 100 in each window, such as "20/24h"
limits.failures_per_phone=20/1h, 101/24h
    cannot be "20/1h, 101/24h": write a limit of at most 100 in each window, such as "20/24h"
limits.sessions_per_user=0
    cannot be "0": write a whole number from 1 to 1000
tokens.algorithm=none
    cannot be "none": write "EdDSA", "ES256" or "HS256"
tokens.access_lifetime=2h
    cannot be "2h": write a duration from 1s to 1h
tokens.refresh_lifetime=31d
    cannot be "31d": write a duration from 1s to 30d
tokens.key_overlap=5m
    cannot be "5m": write a duration from 10m to 30d
test_numbers."+8613800138000".code=42424
    cannot be (hidden): write 6 digits, as code.length says
log.level=loud
    cannot be "loud": write a level, such as "info" or "info,actix_web=warn"
"##;

#[test]
fn every_fault_tells_what_is_wrong_and_what_to_write() {
    let lines: Vec<_> = FLAGS_AND_FAULTS.trim().lines().collect();
    for pair in lines.chunks(2) {
        let (key, value) = pair[0].split_once('=').unwrap();
        let line = format!("{key} (command line) {}", pair[1].trim());
        assert_eq!(faults(&flags(&[(key, value)])), line);
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_a_fault_in_a_file() {
    let (_folder, sources) = file(
        "profile = 1\ncode.length = \"6\"\ncode.lifetime = 5\nserver.docs = \"true\"\n\
         sms.route = \"stub\"\nserver.trusted_proxies = [1]\n",
    );
    let expected = r#"
code.length (file my.toml) cannot be "6": write a whole number from 6 to 10
code.lifetime (file my.toml) cannot be 5: write a duration from 1s to 10m
profile (file my.toml) cannot be 1: write "development" or "production"
server.docs (file my.toml) cannot be "true": write true or false
server.trusted_proxies (file my.toml) cannot be [1]: write a list of addresses and ranges, none of them everybody, such as ["10.0.0.0/8"]
sms.route (file my.toml) cannot be "stub": write a list of gateways, such as ["stub"]"#;
    assert_eq!(faults(&sources), expected.trim_start());
}

#[test]
fn faults_of_all_layers_are_told_at_once() {
    let (_folder, mut sources) = file("[code]\nlength = 5\n[stores]\nusers = \"oracle\"\n");
    sources.environment = environment(&[("PHONE_AUTH__CODE__TRIES", "11")]).environment;
    sources.flags = flags(&[("server.bind", "here")]).flags;
    let expected = r#"
code.length (file my.toml) cannot be 5: write a whole number from 6 to 10
code.tries (environment PHONE_AUTH__CODE__TRIES) cannot be "11": write a whole number from 1 to 10
server.bind (command line) cannot be "here": write an address and a port, such as "127.0.0.1:8080"
stores.users (file my.toml) cannot be "oracle": write "memory", "sqlite" or "postgres""#;
    assert_eq!(faults(&sources), expected.trim_start());
}

#[test]
fn an_unknown_key_is_a_fault_and_a_likely_one_is_named() {
    let cases = [
        ("sever.bind", "did you mean server.bind?"),
        ("code.lenght", "did you mean code.length?"),
        ("bind", "did you mean server.bind?"),
        (
            "server",
            "it is a section, write into it, such as server.bind",
        ),
        (
            "gibberish.word",
            "remove it, or find its name with `phone-auth config`",
        ),
    ];
    for (key, remedy) in cases {
        let line = format!("{key} (command line) is not a setting: {remedy}");
        assert_eq!(faults(&flags(&[(key, "x")])), line);
    }
    assert_eq!(
        faults(&environment(&[("PHONE_AUTH__SERVER__BINDS", "x")])),
        "server.binds (environment PHONE_AUTH__SERVER__BINDS) is not a setting: did you mean \
         PHONE_AUTH__SERVER__BIND?",
    );
}

#[test]
fn a_gateway_needs_a_kind_and_a_name_that_variables_can_spell() {
    assert_eq!(
        faults(&flags(&[("sms.gateways.hook.delay", "1s")])),
        "sms.gateways.hook.kind (command line) is missing: write the kind of gateway, such as \
         \"stub\"",
    );
    assert_eq!(
        faults(&flags(&[("sms.gateways.Hook.kind", "stub")])),
        "sms.gateways.Hook (command line) is no name of a gateway: write lower-case letters, \
         digits, - and _",
    );
    assert_eq!(
        faults(&flags(&[("sms.gateways.stub.dilay", "1s")])),
        "sms.gateways.stub.dilay (command line) is unknown here: remove it; there are delay, \
         fail_times, fail",
    );
}

#[test]
fn a_test_number_needs_a_number_and_a_code() {
    assert_eq!(
        faults(&flags(&[(
            "test_numbers.+8613800138000.until",
            "2027-01-01"
        )])),
        "test_numbers.\"+8613800138000\".code (command line) cannot be left out: write 6 digits, \
         as code.length says",
    );
    assert_eq!(
        faults(&flags(&[("test_numbers.+1.code", "424242")])),
        "test_numbers.\"+1\" (command line) names no phone number: write one that could exist in \
         E.164, such as \"+8613800138000\"",
    );
}

#[test]
fn a_budget_needs_a_list_of_countries() {
    let all = [
        ("limits.spend_overall", "50/24h"),
        ("phone.allowed_countries", "*"),
    ];
    assert_eq!(
        faults(&flags(&all)),
        "limits.spend_overall (command line) cannot be \"50/24h\": not every country has a price: \
         list phone.allowed_countries",
    );
}

#[test]
fn a_file_that_cannot_be_read_is_one_line_without_its_content() {
    let (_folder, sources) = file("[postgres]\n\nurl = hunter2\n");
    assert_eq!(
        faults(&sources),
        "line 3 (file my.toml) is not TOML: string values must be quoted, expected literal string",
    );
    let (_folder, mut sources) = file("");
    sources.file = sources.file.map(|path| path.with_file_name("other.toml"));
    assert_eq!(
        faults(&sources),
        "--config (file other.toml) cannot be read (No such file or directory (os error 2)): name \
         a TOML file that this user may read",
    );
}

#[test]
fn a_secret_file_that_holds_nothing_is_a_fault() {
    let (folder, mut sources) = file("");
    let path = folder.path().join("secret");
    fs::write(&path, "\n").unwrap();
    let set = |sources: &mut Sources, value: &str| {
        let key = "test_numbers.+8613800138000.code_file";
        sources.flags = flags(&[(key, value)]).flags;
    };
    set(&mut sources, path.to_str().unwrap());
    assert!(faults(&sources).contains(
        "code_file (command line) cannot be \"secret\": the file is empty: write the secret into it"
    ));
    set(&mut sources, "/nowhere/secret");
    assert!(faults(&sources).contains(
        "code_file (command line) cannot be \"/nowhere/secret\": No such file or directory (os \
         error 2): name a text file that this user may read"
    ));
}

#[test]
fn a_secret_beside_its_file_is_a_fault() {
    let (_folder, sources) = file("[keys]\nring = \"\"\nring_file = \"x\"\n");
    assert_eq!(
        faults(&sources),
        "keys.ring (file my.toml) stands beside keys.ring_file: write one of the two",
    );
}
