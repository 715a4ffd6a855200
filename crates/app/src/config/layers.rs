//! The layers a configuration is made of, and which of them each value came from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Value;

use super::entry::Entry;
use super::fault::Fault;

/// The built-in defaults: the commented file, so that it always tells the truth.
const DEFAULTS: &str = include_str!("../../../../config/default.toml");

/// Read when no other file is named, if it exists.
const DEFAULT_FILE: &str = "config/default.toml";

const PREFIX: &str = "PHONE_AUTH__";

/// Where a value came from. Later ones win.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// Nobody set it.
    Default,
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// The command line.
    Flag,
}

impl Layer {
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File(_) => 1,
            Self::Environment(_) => 2,
            Self::Flag => 3,
        }
    }

    /// Whether its values are untyped: `6` may be a number or a text.
    pub(super) fn is_untyped(&self) -> bool {
        matches!(self, Self::Environment(_) | Self::Flag)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("built-in default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// What a configuration is read from, beside the built-in defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A file that must exist; `None` for `config/default.toml`, if there is one.
    pub file: Option<PathBuf>,
    /// Environment variables; those without the prefix `PHONE_AUTH__` are passed over.
    pub environment: Vec<(OsString, OsString)>,
    /// Keys and values from the command line.
    pub flags: Vec<(String, String)>,
}

impl Sources {
    /// The sources of this process.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Self {
        Self {
            file,
            environment: std::env::vars_os().collect(),
            flags,
        }
    }
}

pub(super) type Entries = BTreeMap<String, Entry>;

/// Reads every layer; of each key the last value stays.
pub(super) fn gather(sources: &Sources, faults: &mut Vec<Fault>) -> Entries {
    let mut entries = Entries::new();
    add_toml(DEFAULTS, &Layer::Default, &mut entries, faults);
    if let Some((path, text)) = read_file(sources.file.as_deref(), faults) {
        add_toml(&text, &Layer::File(path), &mut entries, faults);
    }
    for (name, value) in &sources.environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        let layer = Layer::Environment(name.to_owned());
        let key = key_of_variable(name);
        match value.to_str() {
            Some(text) => add(key, Value::String(text.to_owned()), &layer, &mut entries),
            None => faults.push(Fault {
                key,
                layer,
                text: "is not UTF-8: write it again".into(),
            }),
        }
    }
    for (key, value) in &sources.flags {
        let key = dotted(&segments(key));
        add(
            key,
            Value::String(value.clone()),
            &Layer::Flag,
            &mut entries,
        );
    }
    entries
}

fn add(key: String, value: Value, layer: &Layer, entries: &mut Entries) {
    entries.insert(
        key,
        Entry {
            value,
            layer: layer.clone(),
        },
    );
}

fn read_file(named: Option<&Path>, faults: &mut Vec<Fault>) -> Option<(PathBuf, String)> {
    let path = named.unwrap_or(Path::new(DEFAULT_FILE)).to_owned();
    match std::fs::read_to_string(&path) {
        Ok(text) => Some((path, text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && named.is_none() => None,
        Err(e) => {
            let text = format!("cannot be read ({e}): name a TOML file that this user may read");
            faults.push(Fault {
                key: "--config".into(),
                layer: Layer::File(path),
                text,
            });
            None
        }
    }
}

fn add_toml(text: &str, layer: &Layer, entries: &mut Entries, faults: &mut Vec<Fault>) {
    match text.parse::<toml::Table>() {
        Ok(table) => flatten(&[], table, layer, entries),
        // Not the error's own text: it quotes the line, which may hold a secret.
        Err(e) => faults.push(Fault {
            key: format!("line {}", line_of(text, e.span())),
            layer: layer.clone(),
            text: format!("is not TOML: {}", e.message().replace('\n', ", ")),
        }),
    }
}

fn line_of(text: &str, span: Option<std::ops::Range<usize>>) -> usize {
    let end = span.map_or(0, |span| span.start);
    1 + text.bytes().take(end).filter(|byte| *byte == b'\n').count()
}

fn flatten(path: &[String], table: toml::Table, layer: &Layer, entries: &mut Entries) {
    for (name, value) in table {
        let path = [path, &[name]].concat();
        match value {
            Value::Table(table) => flatten(&path, table, layer, entries),
            value => add(dotted(&path), value, layer, entries),
        }
    }
}

/// `PHONE_AUTH__SMS__ROUTES__CN` is `sms.routes.CN`. A variable's name cannot hold the plus of a
/// test number, so that one is put back.
fn key_of_variable(name: &str) -> String {
    let path = name[PREFIX.len()..].to_ascii_lowercase();
    let mut path: Vec<_> = path.split("__").map(str::to_owned).collect();
    match path
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["sms", "routes" | "prices", ..] if path.len() > 2 => path[2].make_ascii_uppercase(),
        ["test_numbers", number, ..] if !number.starts_with('+') => path[1].insert(0, '+'),
        _ => {}
    }
    dotted(&path)
}

/// The variable that sets a key.
pub(super) fn variable_of_key(key: &str) -> String {
    let path: Vec<_> = segments(key)
        .iter()
        .map(|s| s.to_ascii_uppercase())
        .collect();
    format!("{PREFIX}{}", path.join("__").replace('+', ""))
}

/// The parts of a key: `a."b.c"` has two.
pub(super) fn segments(key: &str) -> Vec<String> {
    let mut quoted = false;
    let parts = key.split(|c| {
        quoted ^= c == '"';
        c == '.' && !quoted
    });
    parts.map(|part| part.replace('"', "")).collect()
}

/// A key as TOML spells it, so that it has one spelling.
pub(super) fn dotted<S: AsRef<str>>(path: &[S]) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let spell = |part: &S| match part.as_ref() {
        bare if !bare.is_empty() && bare.bytes().all(is_plain) => bare.to_owned(),
        other => format!("\"{other}\""),
    };
    path.iter().map(spell).collect::<Vec<_>>().join(".")
}
