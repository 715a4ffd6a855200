//! What is wrong with a configuration, in lines that somebody can act on.

use std::fmt;

use super::Config;
use super::layers::Layer;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The setting at fault, such as `code.length`.
    pub key: String,
    /// Where its value came from.
    pub layer: Layer,
    /// What is wrong, and what to write instead.
    pub text: String,
}

/// `code.length (file my.toml) cannot be 5: write a whole number from 6 to 10`: one line.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) {}", self.key, self.layer, self.text)
    }
}

impl Config {
    /// A fault of a setting that shows only when the setting is used.
    pub(crate) fn fault(&self, key: &str, text: impl Into<String>) -> Fault {
        let layer_of = |key: &str| {
            let mut settings = self.effective().iter();
            let setting = settings.find(|setting| setting.key.starts_with(key));
            setting.map(|setting| setting.layer.clone())
        };
        // What is left out belongs to the layer of what stands beside it.
        let section = key.rsplit_once('.').map_or(key, |(section, _)| section);
        let layer = layer_of(key).or_else(|| layer_of(section));
        Fault {
            key: key.to_owned(),
            layer: layer.unwrap_or(Layer::Default),
            text: text.into(),
        }
    }
}

/// Everything that is wrong with a configuration: one line each, sorted by key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(Fault::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// The known key that somebody probably meant by `key`.
pub(super) fn closest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |candidate: &str| {
        if candidate.rsplit('.').next() == Some(key) {
            return 0.9; // written without its section
        }
        strsim::normalized_damerau_levenshtein(key, candidate)
    };
    known
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
