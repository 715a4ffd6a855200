use std::fs;
use std::path::Path;

use super::*;

mod faults;
mod layers;
mod production;
mod servers;

fn flags(pairs: &[(&str, &str)]) -> Sources {
    let flags = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Sources {
        flags: flags.collect(),
        ..Sources::default()
    }
}

fn environment(pairs: &[(&str, &str)]) -> Sources {
    let environment = pairs
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    Sources {
        environment: environment.collect(),
        ..Sources::default()
    }
}

/// Sources with a file `my.toml` of that text, which lives as long as the folder.
fn file(text: &str) -> (tempfile::TempDir, Sources) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.toml");
    fs::write(&path, text).unwrap();
    (
        folder,
        Sources {
            file: Some(path),
            ..Sources::default()
        },
    )
}

/// The faults, one a line; paths without the folder of the file.
fn faults(sources: &Sources) -> String {
    let text = Config::load(sources).expect_err("a fault").to_string();
    match sources.file.as_deref().and_then(Path::parent) {
        Some(folder) => text.replace(&format!("{}/", folder.display()), ""),
        None => text,
    }
}

/// A setting as `phone-auth config` shows it.
fn shown(config: &Config, key: &str) -> String {
    let setting = config.effective().iter().find(|setting| setting.key == key);
    setting.map(Setting::to_string).unwrap_or_default()
}
