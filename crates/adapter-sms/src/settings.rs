use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

/// One thing that is wrong with the settings of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFault {
    /// The setting, as it is called in the gateway's section.
    pub key: String,
    /// What is wrong with it and what to write instead, to be read after the key. It never
    /// repeats the value, which may be a secret.
    pub text: String,
}

/// The settings of one gateway, read key by key by the gateway itself. What is wrong is gathered
/// on the way, so that all of it is told at once.
#[derive(Default)]
pub struct Settings {
    values: BTreeMap<String, Zeroizing<String>>,
    known: Vec<&'static str>,
    faults: Vec<SettingFault>,
}

impl Settings {
    /// Settings as texts: `200ms`, `3`, `true`.
    pub fn new<K: Into<String>, V: Into<String>>(values: impl IntoIterator<Item = (K, V)>) -> Self {
        let values = values
            .into_iter()
            .map(|(key, value)| (key.into(), Zeroizing::new(value.into())));
        Self {
            values: values.collect(),
            ..Self::default()
        }
    }

    /// The value of a key that may be left out. `form` says what to write: "a whole number".
    pub(crate) fn read<T>(
        &mut self,
        key: &'static str,
        form: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.known.push(key);
        let text = self.values.remove(key)?;
        let value = parse(&text);
        if value.is_none() {
            self.fault(key, format!("cannot be that: write {form}"));
        }
        value
    }

    /// The value of a key that must be there; `None` is a fault already.
    pub(crate) fn require<T>(
        &mut self,
        key: &'static str,
        form: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        if !self.values.contains_key(key) {
            self.fault(key, format!("is missing: write {form}"));
        }
        self.read(key, form, parse)
    }

    /// Whether everything that was given has been read and understood.
    pub(crate) fn finish(mut self) -> Result<(), Vec<SettingFault>> {
        let known = self.known.join(", ");
        for key in std::mem::take(&mut self.values).into_keys() {
            self.fault(
                &key,
                format!("is unknown here: remove it; there are {known}"),
            );
        }
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(self.faults)
        }
    }

    fn fault(&mut self, key: &str, text: String) {
        self.faults.push(SettingFault {
            key: key.to_owned(),
            text,
        });
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Settings")?;
        f.debug_set().entries(self.values.keys()).finish()
    }
}
