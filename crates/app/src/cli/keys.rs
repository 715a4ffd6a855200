//! `phone-auth keys`: what is in the key ring, and a new key for it.

use std::io::Write;

use clap::{Subcommand, ValueEnum};

use super::{Failure, Outcome};
use crate::builder::Overrides;
use crate::config::Config;
use crate::keyring::{self, KeyRing, Purpose};
use crate::start::{self, StartError};
use crate::wiring;

#[derive(Subcommand)]
pub(super) enum Keys {
    /// List the keys, without their secrets
    #[command(after_help = "Example:\n  phone-auth keys list")]
    List,
    /// Add new keys; they are published at once and used after tokens.key_overlap
    #[command(after_help = "Example:\n  phone-auth keys rotate token")]
    Rotate {
        /// Which keys; both if not said
        purpose: Option<Which>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Which {
    /// What seals phones and derives codes
    Data,
    /// What signs access tokens
    Token,
}

impl Keys {
    pub(super) fn run(&self, config: &Config, given: &Overrides) -> Outcome {
        match self {
            Self::List => list(&start::key_ring(config, given)?, given),
            Self::Rotate { purpose } => {
                let token = Purpose::Token(config.tokens.algorithm);
                let purposes = match purpose {
                    None => vec![Purpose::Data, token],
                    Some(Which::Data) => vec![Purpose::Data],
                    Some(Which::Token) => vec![token],
                };
                let (now, entropy) = (wiring::clock(given).now(), wiring::entropy(given));
                let ring = keyring::rotate(config, &purposes, now, &*entropy);
                list(&ring.map_err(StartError::from)?, given)
            }
        }
    }
}

fn list(ring: &KeyRing, given: &Overrides) -> Result<(), Failure> {
    let now = wiring::clock(given).now();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:7}  {:24}  {:20}  {:20}",
        "purpose", "id", "created", "used from"
    )?;
    for key in ring.list(now) {
        let current = if key.current { "  current" } else { "" };
        let (created, from) = (key.created_at.to_string(), key.active_from.to_string());
        writeln!(
            out,
            "{:7}  {:24}  {created:20}  {from:20}{current}",
            key.purpose, key.id
        )?;
    }
    Ok(())
}
