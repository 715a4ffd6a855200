//! `phone-auth users`: what an operator does for, or about, one person.

use std::io::Write;

use clap::Subcommand;
use domain::auth::AuthError;
use domain::ports::with_causes;

use super::{Failure, Outcome};
use crate::builder::Overrides;
use crate::config::{Config, Store};
use crate::{start, wiring};

#[derive(Subcommand)]
pub(super) enum Users {
    /// Show a user
    #[command(after_help = "Example:\n  phone-auth users show +8613800138000")]
    Show {
        /// A number in any common spelling
        phone: String,
    },
    /// End all sessions of a user
    #[command(after_help = "Example:\n  phone-auth users sign-out +8613800138000")]
    SignOut {
        /// A number in any common spelling
        phone: String,
    },
    /// Delete a user and end all their sessions
    #[command(after_help = "Example:\n  phone-auth users delete +8613800138000")]
    Delete {
        /// A number in any common spelling
        phone: String,
    },
}

impl Users {
    pub(super) async fn run(&self, config: &Config, given: &Overrides) -> Outcome {
        let in_memory = [config.stores.users, config.stores.sessions].contains(&Store::Memory);
        if in_memory && given.users.is_none() {
            let said = "users and sessions are kept in the memory of the serving process, so there \
                        is nothing to see from here: set stores.users and stores.sessions to another store";
            return Err(Failure::Said(said.to_owned()));
        }
        let auth = wiring::wire(config, &start::key_ring(config, given)?, given)
            .await?
            .auth;
        let mut out = std::io::stdout();
        match self {
            Self::Show { phone } => {
                let (user, sessions) = auth.user_by_phone(phone).await.map_err(said)?;
                writeln!(out, "id             {}", user.id)?;
                writeln!(out, "phone          {}", user.phone.as_e164())?;
                writeln!(out, "created_at     {}", user.created_at)?;
                writeln!(out, "live sessions  {sessions}")?;
            }
            Self::SignOut { phone } => {
                let ended = auth.sign_out_user(phone).await.map_err(said)?;
                writeln!(out, "sessions ended: {ended}")?;
            }
            Self::Delete { phone } => {
                let user = auth.delete_user(phone).await.map_err(said)?;
                writeln!(out, "deleted {user} and ended all its sessions")?;
            }
        }
        Ok(())
    }
}

fn said(error: AuthError) -> Failure {
    Failure::Said(match error {
        AuthError::NotFound => "no user has that number".to_owned(),
        AuthError::PhoneInvalid => {
            "not a valid phone number: write it with its calling code, such as +8613800138000"
                .to_owned()
        }
        other => with_causes(&other),
    })
}
