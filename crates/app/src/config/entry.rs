//! One value as a layer gives it, before it has a type.

use std::fmt;

use toml::Value;
use zeroize::Zeroizing;

use super::layers::Layer;

/// A value and where it came from.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) layer: Layer,
}

impl Entry {
    pub(super) fn text(&self) -> Option<String> {
        match &self.value {
            Value::String(text) => Some(text.clone()),
            Value::Datetime(moment) => Some(moment.to_string()),
            _ => None,
        }
    }

    pub(super) fn integer(&self) -> Option<i64> {
        match &self.value {
            Value::Integer(number) => Some(*number),
            Value::String(text) if self.layer.is_untyped() => text.parse().ok(),
            _ => None,
        }
    }

    /// A text, number or flag, as text.
    pub(super) fn scalar(&self) -> Option<String> {
        match &self.value {
            Value::Integer(number) => Some(number.to_string()),
            Value::Float(number) => Some(number.to_string()),
            Value::Boolean(flag) => Some(flag.to_string()),
            _ => self.text(),
        }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match &self.value {
            Value::Boolean(flag) => Some(*flag),
            Value::String(text) if self.layer.is_untyped() => text.parse().ok(),
            _ => None,
        }
    }

    /// Texts: in an untyped layer separated by commas, or written as in TOML.
    pub(super) fn list(&self) -> Option<Vec<String>> {
        match &self.value {
            Value::Array(items) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect(),
            Value::String(text) if self.layer.is_untyped() && text.starts_with('[') => {
                let value = text.parse().ok()?;
                Self {
                    value,
                    layer: Layer::Default,
                }
                .list()
            }
            Value::String(text) if self.layer.is_untyped() => {
                let items = text
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty());
                Some(items.map(str::to_owned).collect())
            }
            _ => None,
        }
    }

    /// A list, or a text as a list of one.
    pub(super) fn one_or_more(&self) -> Option<Vec<String>> {
        self.list().or_else(|| Some(vec![self.text()?]))
    }

    /// The value in one line.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::String(text) => format!("{text:?}"),
            other => other.to_string().replace('\n', " "),
        }
    }
}

/// A value that nobody is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself, for the part that needs it and for nobody else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
