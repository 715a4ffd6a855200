//! The files of a deployment: what they name is there, what they say is understood, and what they
//! promise is so.

mod cluster;
mod compose;
mod docker;
mod examples;
mod nginx;
mod systemd;

use std::path::{Path, PathBuf};

use serde_json::Value;
use tests_support::process::Installation;

/// The path of a file of this repository.
fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

fn read(file: &str) -> String {
    let text = std::fs::read_to_string(path(file));
    text.unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// `compose.yaml`, with what its anchors stand for.
fn compose() -> Value {
    serde_saphyr::from_str(&read("compose.yaml")).expect("YAML")
}

/// The instructions of the Dockerfile, each in one line.
fn dockerfile() -> Vec<(String, String)> {
    let text = read("Dockerfile").replace("\\\n", "");
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap_or((line, "")))
        .map(|(word, rest)| (word.to_owned(), rest.trim_start().to_owned()))
        .collect()
}

/// What the image sets, and then what compose.yaml does for a service.
fn environment(service: &Value) -> Vec<(String, String)> {
    let image = dockerfile().into_iter().filter(|(word, _)| word == "ENV");
    let image = image.flat_map(|(_, given)| {
        let pairs = given
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='));
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        pairs.collect::<Vec<_>>()
    });
    let given = service["environment"].as_object().expect("an environment");
    let given = given.iter().map(|(name, value)| {
        let value = value
            .as_str()
            .unwrap_or_else(|| panic!("{name} is no text"));
        (name.clone(), value.to_owned())
    });
    image.chain(given).collect()
}

/// An installation with these settings; those of the environment by their names there.
fn installation(environment: &[(String, String)]) -> Installation {
    environment
        .iter()
        .fold(Installation::new(), |installation, (name, value)| {
            let key = name.strip_prefix("PHONE_AUTH__").expect("a name of ours");
            installation.set(&key.to_lowercase().replace("__", "."), value)
        })
}
