use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::{fs, thread};

use data_encoding::BASE64;
use domain::phone::{Country, PhoneNumber};

use super::*;
use crate::config::{Config, RingSource, Sources};
use crate::system::SystemEntropy;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn now() -> Timestamp {
    Timestamp::from_secs(1_800_000_000)
}

fn ring(purposes: &[Purpose]) -> KeyRing {
    let mut ring = KeyRing::default();
    for purpose in purposes {
        ring.add(*purpose, now(), HOUR, &SystemEntropy).unwrap();
    }
    ring
}

fn full() -> KeyRing {
    ring(&[Purpose::Data, Purpose::Token(Algorithm::EdDsa)])
}

/// The ids of the keys that new things are made with.
fn current(ring: &KeyRing, at: Timestamp) -> Vec<String> {
    let keys = ring.list(at).into_iter().filter(|key| key.current);
    keys.map(|key| key.id).collect()
}

/// A configuration whose ring is a file in that folder.
fn config(folder: &Path, more: &[(&str, &str)]) -> Config {
    let path = folder.join("data").join("keys.toml");
    let mut flags = vec![("keys.ring_file".to_owned(), path.display().to_string())];
    flags.extend(
        more.iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    Config::load(&Sources {
        flags,
        ..Sources::default()
    })
    .unwrap()
}

#[test]
fn a_ring_reads_back_as_it_was_written() {
    let ring = ring(&[
        Purpose::Data,
        Purpose::Data,
        Purpose::Token(Algorithm::EdDsa),
        Purpose::Token(Algorithm::Es256),
        Purpose::Token(Algorithm::Hs256),
    ]);
    assert!(KeyRing::parse(&ring.to_toml()).is_ok_and(|read| read == ring));
}

#[test]
fn every_fault_of_a_ring_is_told_at_once_and_no_secret_repeated() {
    let good = BASE64.encode(&[7; 32]);
    let short = BASE64.encode(b"hunter2");
    let data = |id: &str, secret: &str| {
        format!(
            "[[keys]]\npurpose = \"data\"\nid = \"{id}\"\ncreated_at = \"2026-01-02T03:04:05Z\"\n\
             active_from = \"2026-01-02T03:04:05Z\"\nsecret = \"{secret}\"\n"
        )
    };
    let token = |id: &str, algorithm: &str| {
        data(id, &good).replace(
            "\"data\"",
            &format!("\"token\"\nalgorithm = \"{algorithm}\""),
        )
    };
    let text = [
        "name = \"x\"\n".to_owned(),
        data("1", &good),
        data("1", &good),
        data("one", &short),
        data("2", "hunter2!").replace("2026-01-02T03:04:05Z", "yesterday"),
        data("3", &good).replace("\"data\"", "\"both\""),
        token("a", "HS256"),
        token("a", "HS256"),
        token("b", "RS256"),
        token("c", "EdDSA"),
        "[[keys]]\npurpose = \"data\"\n".to_owned(),
        "[[keys]]\nsecret = 5\n".to_owned(),
    ];
    let faults = KeyRing::parse(&text.concat()).unwrap_err();
    let moment = "is no moment: write one such as \"2026-01-02T03:04:05Z\"";
    let expected = [
        "name is not known: write nothing but [[keys]]".to_owned(),
        "key 2: id belongs to another data key: write a new one".to_owned(),
        "key 3: id of a data key must be a whole number, such as \"1\"".to_owned(),
        "key 3: secret is too short: write at least 32 random bytes".to_owned(),
        format!("key 4: created_at {moment}"),
        format!("key 4: active_from {moment}"),
        "key 4: secret is not base64: write it again".to_owned(),
        "key 5: purpose must be \"data\", without algorithm, or \"token\", with algorithm"
            .to_owned(),
        "key 7: id belongs to another token key: write a new one".to_owned(),
        "key 8: algorithm is none of EdDSA, ES256 and HS256".to_owned(),
        "key 9: signing key c cannot sign with EdDSA: its secret must be a PKCS#8 DER private key \
         of Ed25519"
            .to_owned(),
        "key 10: cannot be read: missing field `id`".to_owned(),
        "key 11: cannot be read: invalid type: integer `5`, expected a string".to_owned(),
    ];
    assert_eq!(faults, expected);
}

#[test]
fn the_example_of_the_documentation_reads_and_is_too_weak_for_production() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let reference = fs::read_to_string(path).unwrap();
    let from = &reference[reference.find("[[keys]]").unwrap()..];
    let ring = KeyRing::parse(&from[..from.find("```").unwrap()]).unwrap();
    let weak = ring.weaknesses(Algorithm::Hs256);
    assert_eq!(weak.len(), 2, "{weak:?}");
}

#[test]
fn a_rotated_key_is_published_first_and_used_later() {
    let mut ring = full();
    let before = current(&ring, now());
    for purpose in [Purpose::Data, Purpose::Token(Algorithm::Es256)] {
        ring.add(purpose, now(), HOUR, &SystemEntropy).unwrap();
    }
    let change = now() + HOUR;
    assert_eq!(ring.list(now()).len(), 4);
    assert_eq!(ring.key_set().unwrap().public_keys().len(), 2);
    assert_eq!(current(&ring, change - Duration::from_millis(1)), before);
    let after = current(&ring, change);
    assert_eq!(after.len(), 2);
    assert!(after.iter().all(|id| !before.contains(id)));
    assert_eq!(ring.vault(now()).unwrap().current_key(), KeyId(1));
    assert_eq!(ring.vault(change).unwrap().current_key(), KeyId(2));
}

#[test]
fn what_an_old_data_key_sealed_is_read_after_a_rotation() {
    let mut ring = full();
    let phone = PhoneNumber::parse("+8613800138000", Country::WORLD).unwrap();
    let sealed = ring.vault(now()).unwrap().seal(&phone, &SystemEntropy);
    ring.add(Purpose::Data, now(), HOUR, &SystemEntropy)
        .unwrap();
    ring.drop_retired(now() + 365 * DAY);
    let later = ring.vault(now() + 365 * DAY).unwrap();
    assert_eq!(later.current_key(), KeyId(2));
    assert_eq!(later.open(&sealed), Ok(phone));
}

#[test]
fn a_token_key_goes_when_its_last_token_has_expired() {
    let mut ring = full();
    ring.add(
        Purpose::Token(Algorithm::EdDsa),
        now(),
        HOUR,
        &SystemEntropy,
    )
    .unwrap();
    let last_token_ends = now() + HOUR + DAY;
    ring.drop_retired(last_token_ends);
    assert_eq!(ring.token.len(), 2, "clocks may differ a little");
    ring.drop_retired(last_token_ends + Duration::from_secs(60));
    assert_eq!(current(&ring, now()).len(), 2);
    assert_eq!(ring.token.len(), 1);
    ring.drop_retired(now() + 365 * DAY);
    assert_eq!(ring.token.len(), 1, "the signing key stays");
}

#[test]
fn a_clock_that_is_behind_finds_a_key() {
    assert_eq!(current(&full(), now() - DAY).len(), 2);
}

#[test]
fn a_ring_hides_its_secrets() {
    let ring = full();
    let shown = format!("{ring:?} {:?}", ring.list(now()));
    assert!(shown.contains(&ring.token[0].key.id));
    for secret in [&ring.data[0].secret, &ring.token[0].key.secret] {
        assert!(!shown.contains(&BASE64.encode(secret)));
        assert!(!shown.contains(&format!("{:?}", secret.as_slice())));
    }
}

#[test]
fn development_makes_a_ring_once_and_keeps_it_from_others() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &[]);
    let first = open(&config, now(), &SystemEntropy).unwrap();
    assert_eq!(first.weaknesses(Algorithm::EdDsa), Vec::<String>::new());
    let again = open(&config, now() + DAY, &SystemEntropy).unwrap();
    assert!(first == again);
    let data = folder.path().join("data");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("keys.toml")), 0o600);
    assert!(!data.join("keys.toml.new").exists());
}

#[test]
fn processes_that_start_at_once_end_with_one_ring() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &[]);
    let opened: Vec<_> = thread::scope(|scope| {
        let open = || open(&config, now(), &SystemEntropy).unwrap();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(opened.iter().all(|ring| *ring == opened[0]));
}

#[test]
fn another_algorithm_adds_a_key_and_keeps_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let old = open(&config(folder.path(), &[]), now(), &SystemEntropy).unwrap();
    let config = config(folder.path(), &[("tokens.algorithm", "ES256")]);
    let ring = open(&config, now(), &SystemEntropy).unwrap();
    assert_eq!(current(&ring, now()), current(&old, now()));
    let later: Vec<_> = ring
        .list(now() + HOUR)
        .into_iter()
        .filter(|key| key.current)
        .collect();
    assert_eq!(later[1].purpose, "ES256");
}

#[test]
fn production_makes_no_keys_until_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &[("profile", "production")]);
    assert!(open(&config, now(), &SystemEntropy).unwrap() == KeyRing::default());
    assert!(!folder.path().join("data").exists());
    let made = rotate(&config, &[Purpose::Data], now(), &SystemEntropy).unwrap();
    assert!(open(&config, now(), &SystemEntropy).unwrap() == made);
    assert_eq!(current(&made, now()).len(), 2);
}

#[test]
fn a_rotation_removes_token_keys_nobody_needs() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &[]);
    open(&config, now(), &SystemEntropy).unwrap();
    let token = [Purpose::Token(Algorithm::EdDsa)];
    rotate(&config, &token, now(), &SystemEntropy).unwrap();
    let ring = rotate(&config, &token, now() + 3 * DAY, &SystemEntropy).unwrap();
    assert_eq!(ring.token.len(), 2);
    assert_eq!(ring.data.len(), 1);
}

#[test]
fn a_ring_that_cannot_be_used_says_what_to_do_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &[]);
    let RingSource::File(path) = &config.keys else {
        panic!("a file")
    };
    fs::create_dir(path.parent().unwrap()).unwrap();
    fs::write(path, "[[keys]]\nid = hunter2").unwrap();
    let message = open(&config, now(), &SystemEntropy)
        .unwrap_err()
        .to_string();
    assert_eq!(
        message.replace(&path.display().to_string(), "PATH"),
        "PATH: cannot be read: string values must be quoted, expected literal string",
    );
    assert!(rotate(&config, &[Purpose::Data], now(), &SystemEntropy).is_err());
    assert_eq!(fs::read_to_string(path).unwrap(), "[[keys]]\nid = hunter2");
}

#[test]
fn a_folder_that_cannot_be_made_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("data"), "a file in the way").unwrap();
    let config = config(folder.path(), &[("profile", "production")]);
    let error = rotate(&config, &[Purpose::Data], now(), &SystemEntropy).unwrap_err();
    let message = error
        .to_string()
        .replace(&folder.path().display().to_string(), "");
    assert_eq!(
        message,
        "/data/keys.toml: cannot be written (File exists (os error 17)): let this user write to its \
         folder, or name another file by keys.ring_file",
    );
}

#[test]
fn a_ring_in_the_configuration_is_read_and_not_rotated() {
    let text = full().to_toml();
    let flags = vec![("keys.ring".to_owned(), text.to_string())];
    let config = Config::load(&Sources {
        flags,
        ..Sources::default()
    })
    .unwrap();
    assert!(
        KeyRing::parse(&text)
            .is_ok_and(|ring| ring == open(&config, now(), &SystemEntropy).unwrap())
    );
    let error = rotate(&config, &[Purpose::Data], now(), &SystemEntropy).unwrap_err();
    assert_eq!(
        error.to_string(),
        "keys.ring: cannot be changed here: put its text into a file, name that by keys.ring_file, \
         and rotate again",
    );
}
