//! The files of config/.

use std::collections::BTreeSet;

use servers::{Postgres, Redis};
use tests_support::process::{Finished, Installation};

use super::{path, read};

/// What `check` says of an example, with its files and servers being here.
fn check(example: &str, postgres: &Postgres) -> Finished {
    let installation = Installation::new();
    let here = installation.folder().join("here");
    std::fs::create_dir(&here).unwrap();
    std::fs::write(here.join("postgres-url"), postgres.database()).unwrap();
    std::fs::write(here.join("redis-url"), Redis::shared().url()).unwrap();
    let folder = here.to_str().unwrap();
    let text = read(&format!("config/{example}"))
        .replace("/etc/phone-auth", folder)
        .replace("/var/lib/phone-auth", folder);
    std::fs::write(here.join("phone-auth.toml"), text).unwrap();
    let run = |command: &[&str]| {
        installation.run(&[command, &["--config", "here/phone-auth.toml"]].concat())
    };
    assert_eq!(run(&["keys", "rotate"]).status, 0);
    assert_eq!(run(&["migrate"]).status, 0);
    run(&["check"])
}

#[test]
fn every_example_serves_once_it_names_a_gateway() {
    let examples = path("config").read_dir().unwrap();
    let examples = examples.map(|file| file.unwrap().file_name().into_string().unwrap());
    let postgres = Postgres::start_with(&["fsync = on"]);
    let mut seen = BTreeSet::new();
    for example in examples {
        let checked = check(&example, &postgres);
        let failed: Vec<_> = checked
            .out
            .lines()
            .filter(|line| line.starts_with("FAILED"))
            .collect();
        if example == "default.toml" {
            assert_eq!(
                (checked.status, failed.len()),
                (0, 0),
                "{example}: {checked:?}"
            );
        } else {
            assert_eq!(failed.len(), 1, "{example}: {checked:?}");
            assert!(
                failed[0].starts_with("FAILED  profile: sms.route "),
                "{example}: {failed:?}"
            );
        }
        seen.insert(example);
    }
    let expected = [
        "default",
        "production",
        "production-cluster",
        "production-postgres",
    ];
    assert_eq!(seen, expected.map(|name| format!("{name}.toml")).into());
}
