//! The key ring as a file that several processes share.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use adapter_jwt::KeyError;
use domain::ports::Entropy;
use domain::timestamp::Timestamp;
use zeroize::Zeroizing;

use super::{KeyRing, Purpose};
use crate::config::{Config, Profile, RingSource};

/// Why there is no key ring.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// What is there is no key ring; one line each.
    #[error("{}", .faults.iter().map(|fault| format!("{place}: {fault}")).collect::<Vec<_>>().join("\n"))]
    Faulty {
        /// Which setting or file holds it.
        place: String,
        /// What is wrong with it.
        faults: Vec<String>,
    },
    /// The file cannot be read.
    #[error("{}: cannot be read ({source}): let this user read it, or name another file by keys.ring_file", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("{}: cannot be written ({source}): let this user write to its folder, or name another file by keys.ring_file", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The ring is part of the configuration.
    #[error(
        "keys.ring: cannot be changed here: put its text into a file, name that by keys.ring_file, and rotate again"
    )]
    NotAFile,
    /// No key was made.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The key ring of this installation. In development, what is missing is made and kept; in
/// production an incomplete ring is answered as it is, for
/// [`findings`](crate::config::findings) to refuse.
///
/// # Errors
/// A [`RingError`] that says what to do.
pub fn open(config: &Config, now: Timestamp, entropy: &dyn Entropy) -> Result<KeyRing, RingError> {
    let path = match &config.keys {
        RingSource::Text(text) => return parse("keys.ring".into(), text.expose()),
        RingSource::File(path) => path,
    };
    let ring = read(path)?;
    let algorithm = config.tokens.algorithm;
    if config.profile == Profile::Production || ring.missing(algorithm).is_empty() {
        return Ok(ring);
    }
    update(path, |ring| {
        add(ring, &ring.missing(algorithm), config, now, entropy)
    })
}

/// Adds new keys to the ring's file, and those it lacks; removes token keys nobody needs any more.
///
/// # Errors
/// A [`RingError`] that says what to do.
pub fn rotate(
    config: &Config,
    purposes: &[Purpose],
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<KeyRing, RingError> {
    let RingSource::File(path) = &config.keys else {
        return Err(RingError::NotAFile);
    };
    update(path, |ring| {
        ring.drop_retired(now);
        add(ring, purposes, config, now, entropy)?;
        add(
            ring,
            &ring.missing(config.tokens.algorithm),
            config,
            now,
            entropy,
        )
    })
}

fn add(
    ring: &mut KeyRing,
    purposes: &[Purpose],
    config: &Config,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<(), KeyError> {
    let overlap = config.tokens.key_overlap;
    purposes
        .iter()
        .try_for_each(|purpose| ring.add(*purpose, now, overlap, entropy))
}

fn parse(place: String, text: &str) -> Result<KeyRing, RingError> {
    KeyRing::parse(text).map_err(|faults| RingError::Faulty { place, faults })
}

/// A file that does not exist holds an empty ring.
fn read(path: &Path) -> Result<KeyRing, RingError> {
    match std::fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => parse(path.display().to_string(), &text),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(KeyRing::default()),
        Err(source) => Err(RingError::Unreadable {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Changes the ring in one step for all processes: of two that start at once, the second finds
/// the keys of the first.
fn update(
    path: &Path,
    change: impl FnOnce(&mut KeyRing) -> Result<(), KeyError>,
) -> Result<KeyRing, RingError> {
    let unwritable = |source| RingError::Unwritable {
        path: path.to_owned(),
        source,
    };
    let _lock = lock(path).map_err(unwritable)?;
    let old = read(path)?;
    let mut ring = old.clone();
    change(&mut ring)?;
    if ring != old {
        write(path, &ring.to_toml()).map_err(unwritable)?;
    }
    Ok(ring)
}

fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Held until dropped. A file of its own, because the ring's is replaced.
fn lock(path: &Path) -> io::Result<File> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder(path))?;
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(beside(path, ".lock"))?;
    file.lock()?;
    Ok(file)
}

/// Whoever reads meanwhile, or after a crash, finds the old text or the new one, never half.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let draft = beside(path, ".new");
    match std::fs::remove_file(&draft) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    // Rotated by root, the ring still belongs to the user that the service runs as.
    if let Ok(old) = std::fs::metadata(path) {
        std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    File::open(folder(path))?.sync_all()
}
