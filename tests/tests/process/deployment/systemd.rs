//! The systemd unit.

use std::process::Command;

use tests_support::process::{Installation, binary};

use super::read;

/// The unit, with the binary beside the tests; what `systemd-analyze` says of it.
fn analyze(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("phone-auth.service");
    let installed = binary().display().to_string();
    let text = read("deploy/phone-auth.service").replace("/usr/local/bin/phone-auth", &installed);
    std::fs::write(&unit, text).unwrap();
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .arg(unit)
        .output();
    let output = output.expect("systemd-analyze, which `make tools` installs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn the_unit_is_understood_and_lets_the_service_do_little() {
    assert_eq!(analyze(&["verify", "--man=no"]), "");
    // Of 100; network access alone is 10.
    analyze(&["security", "--offline=yes", "--threshold=15", "--no-pager"]);
}

#[test]
fn the_unit_waits_for_its_servers_as_long_as_it_takes() {
    let unit = read("deploy/phone-auth.service");
    let (_, section) = unit.split_once("\n[Unit]\n").unwrap();
    let (section, rest) = section.split_once("\n[Service]\n").unwrap();
    // systemd heeds it in this section only, and else gives up after five starts in ten seconds.
    assert!(
        section
            .lines()
            .any(|line| line == "StartLimitIntervalSec=0")
    );
    assert!(rest.lines().any(|line| line == "Restart=on-failure"));
}

#[test]
fn the_unit_runs_a_command_that_there_is_with_an_example_that_there_is() {
    let unit = read("deploy/phone-auth.service");
    let command = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let words: Vec<_> = command.unwrap().split(' ').skip(1).collect();
    let help = Installation::new().run(&[&words[..1], &["--help"]].concat());
    assert_eq!((help.status, words[0]), (0, "serve"));
    assert_eq!(words[1..], ["--config", "/etc/phone-auth/phone-auth.toml"]);
    assert!(unit.contains("config/production.toml /etc/phone-auth/phone-auth.toml\n"));
    let example: toml::Table = read("config/production.toml").parse().unwrap();
    assert_eq!(example["data"]["dir"].as_str(), Some("/var/lib/phone-auth"));
}

#[test]
fn what_the_examples_read_is_installed_for_the_service_alone() {
    let unit = read("deploy/phone-auth.service");
    let install = |line: &&str| line.starts_with("#   install -m 640 -g phone-auth ");
    let installed = unit.lines().find(install).unwrap();
    for example in ["production-postgres", "production-cluster"] {
        let example: toml::Table = read(&format!("config/{example}.toml")).parse().unwrap();
        let files = example.values().filter_map(|part| part.get("url_file"));
        for file in files.map(|file| file.as_str().unwrap()) {
            let name = file.strip_prefix("/etc/phone-auth/").unwrap();
            assert!(installed.contains(&format!(" {name} ")), "{file}");
        }
    }
}
