//! Reads typed values from the gathered entries and writes down every fault on the way.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::Value;

use super::entry::Entry;
use super::fault::{Fault, Faults, closest};
use super::layers::{Entries, Layer, dotted, segments, variable_of_key};
use super::server_url::without_credentials;
use super::values::{duration, one_of, within};

/// One line of the effective configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key, such as `code.length`.
    pub key: String,
    /// The value in TOML, or `(hidden)`.
    pub value: String,
    /// Where it came from.
    pub layer: Layer,
}

/// `code.length = 6  # built-in default`
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}  # {}", self.key, self.value, self.layer)
    }
}

/// Hands out each value once asked for, and remembers what was asked for and what was wrong.
pub(super) struct Reader {
    entries: Entries,
    pub(super) faults: Vec<Fault>,
    known: BTreeSet<String>,
    pub(super) hidden: BTreeSet<String>,
    /// Hidden too, but for the server that they name.
    pub(super) urls: BTreeSet<String>,
}

impl Reader {
    pub(super) fn new(entries: Entries, faults: Vec<Fault>) -> Self {
        Self {
            entries,
            faults,
            known: BTreeSet::new(),
            hidden: BTreeSet::new(),
            urls: BTreeSet::new(),
        }
    }

    pub(super) fn entry(&mut self, key: &str) -> Option<Entry> {
        self.known.insert(key.to_owned());
        self.entries.get(key).cloned()
    }

    /// A value that has to be there: `want` completes "write …".
    pub(super) fn get<T>(
        &mut self,
        key: &str,
        want: &str,
        read: impl FnOnce(&Entry) -> Option<T>,
    ) -> Option<T> {
        let Some(value) = self.optional(key, want, read)? else {
            self.refuse(key, format!("is missing: write {want}"));
            return None;
        };
        Some(value)
    }

    /// A value that may be left out; the outer `None` is a fault.
    pub(super) fn optional<T>(
        &mut self,
        key: &str,
        want: &str,
        read: impl FnOnce(&Entry) -> Option<T>,
    ) -> Option<Option<T>> {
        let Some(entry) = self.entry(key) else {
            return Some(None);
        };
        let value = read(&entry);
        if value.is_none() {
            self.refuse_value(key, &format!("write {want}"));
        }
        value.map(Some)
    }

    pub(super) fn integer<T: TryFrom<i64> + TryInto<i64> + Copy + fmt::Display>(
        &mut self,
        key: &str,
        bounds: RangeInclusive<T>,
    ) -> Option<T> {
        let want = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        let low = (*bounds.start()).try_into().ok()?;
        let high = (*bounds.end()).try_into().ok()?;
        self.get(key, &want, |e| {
            let number = e.integer().filter(|number| (low..=high).contains(number))?;
            T::try_from(number).ok()
        })
    }

    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        self.get(key, "true or false", Entry::flag)
    }

    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.get(key, "a path", |e| {
            e.text().filter(|text| !text.is_empty()).map(PathBuf::from)
        })
    }

    pub(super) fn duration(
        &mut self,
        key: &str,
        bounds: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let want = format!("a duration {}", within(&bounds));
        self.get(key, &want, |e| duration(&e.text()?, &bounds))
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        self.get(key, &one_of(choices.iter().map(|(word, _)| *word)), |e| {
            let text = e.text()?;
            choices
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, choice)| *choice)
        })
    }

    /// A section of something that may be unused: its faults are nobody's then.
    pub(super) fn section_if<T>(
        &mut self,
        used: bool,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        let faults = self.faults.len();
        let section = read(self);
        if used {
            return section.map(Some);
        }
        self.faults.truncate(faults);
        Some(None)
    }

    /// The names below a section, such as those of the gateways below `sms.gateways`.
    pub(super) fn names_below(&self, section: &str) -> BTreeSet<String> {
        let depth = segments(section).len();
        self.entries_below(section)
            .filter_map(|key| segments(key).into_iter().nth(depth))
            .collect()
    }

    fn entries_below(&self, section: &str) -> impl Iterator<Item = &str> {
        let start = format!("{section}.");
        self.entries
            .keys()
            .map(String::as_str)
            .filter(move |key| key.starts_with(&start))
    }

    /// A default that follows from another setting.
    pub(super) fn default_to(&mut self, key: &str, value: impl Into<Value>) {
        let entry = || Entry {
            value: value.into(),
            layer: Layer::Default,
        };
        self.entries.entry(key.to_owned()).or_insert_with(entry);
    }

    /// Writes down a fault; `text` starts with a verb and ends with what to write instead.
    pub(super) fn refuse(&mut self, key: &str, text: impl Into<String>) {
        let layer = self.layer_of(key);
        self.faults.push(Fault {
            key: key.to_owned(),
            layer,
            text: text.into(),
        });
    }

    /// Writes down that a key cannot have its value.
    pub(super) fn refuse_value(&mut self, key: &str, remedy: &str) {
        let value = self.shown(key);
        self.refuse(key, format!("cannot be {value}: {remedy}"));
    }

    fn shown(&self, key: &str) -> String {
        match self.entries.get(key) {
            Some(entry) if self.urls.contains(key) => {
                let urls = entry.one_or_more().unwrap_or_default();
                let urls = urls
                    .iter()
                    .map(|url| format!("{:?}", without_credentials(url)));
                urls.collect::<Vec<_>>().join(", ")
            }
            Some(_) if self.hidden.contains(key) => "(hidden)".to_owned(),
            Some(entry) => entry.shown(),
            None => "left out".to_owned(),
        }
    }

    /// The layer of a key; of a section or a missing key, the layer of what is in it or beside it.
    fn layer_of(&self, key: &str) -> Layer {
        let section = segments(key)
            .split_last()
            .map(|(_, path)| dotted(path))
            .unwrap_or_default();
        let near = [key, &section]
            .into_iter()
            .find_map(|key| self.entries_below(key).next());
        let entry = self.entries.get(key).or_else(|| self.entries.get(near?));
        entry.map_or(Layer::Default, |entry| entry.layer.clone())
    }

    /// What was read and every setting, or everything that is wrong.
    pub(super) fn finish<T>(mut self, read: Option<T>) -> Result<(T, Vec<Setting>), Faults> {
        self.refuse_unknown();
        match read {
            Some(read) if self.faults.is_empty() => Ok((read, self.settings())),
            _ => {
                self.faults.sort_by(|a, b| a.key.cmp(&b.key));
                Err(Faults(self.faults))
            }
        }
    }

    fn settings(&self) -> Vec<Setting> {
        let setting = |(key, entry): (&String, &Entry)| Setting {
            key: key.clone(),
            value: self.shown(key),
            layer: entry.layer.clone(),
        };
        self.entries.iter().map(setting).collect()
    }

    fn refuse_unknown(&mut self) {
        let unknown = self
            .entries
            .iter()
            .filter(|(key, _)| !self.known.contains(*key));
        for (key, entry) in unknown {
            let remedy = self.remedy_for_unknown(key, &entry.layer);
            let text = format!("is not a setting: {remedy}");
            self.faults.push(Fault {
                key: key.clone(),
                layer: entry.layer.clone(),
                text,
            });
        }
    }

    fn remedy_for_unknown(&self, key: &str, layer: &Layer) -> String {
        let known = || self.known.iter().map(String::as_str);
        if let Some(inner) = known().find(|inner| inner.starts_with(&format!("{key}."))) {
            return format!("it is a section, write into it, such as {inner}");
        }
        match (closest(key, known()), layer) {
            (Some(meant), Layer::Environment(_)) => {
                format!("did you mean {}?", variable_of_key(meant))
            }
            (Some(meant), _) => format!("did you mean {meant}?"),
            (None, _) => "remove it, or find its name with `phone-auth config`".to_owned(),
        }
    }
}
