//! `phone-auth check`: would it start, and would it work?

use std::io::Write;

use super::{Failure, Outcome};
use domain::ports::with_causes;

use crate::builder::Overrides;
use crate::config::{Config, Profile};
use crate::start;
use crate::wiring::{self, stores};

/// One line for each thing looked at; fails if one of them failed.
pub(super) async fn run(config: &Config, given: &Overrides) -> Outcome {
    let mut report = Report { failed: 0 };
    report.line("configuration", Ok("no faults".to_owned()))?;
    let ring = start::key_ring(config, given)?;
    report.findings(config, start::findings(config, &ring, given))?;
    let pending = stores::pending_migrations(config).await?;
    for (store, steps) in &pending {
        if *steps > 0 {
            let missing = format!(
                "migrations missing, {steps}: the next start applies them, or `phone-auth migrate`"
            );
            report.line(store, Ok(missing))?;
        }
    }
    let health = if pending.iter().any(|(_, steps)| *steps > 0) {
        // Opening a store applies what is missing, so only the others can be tried.
        stores::health_of_complete(config, &pending).await?
    } else {
        let wired = wiring::wire(config, &ring, given).await?;
        report.findings(config, wired.findings)?;
        start::health(&wired.auth).await.into()
    };
    for (what, health) in health {
        let answers = health.map(|()| "answers".to_owned());
        report.line(what, answers.map_err(|e| with_causes(&e)))?;
    }
    let gateways = wiring::gateways::open(config, given, &wiring::clock(given))?;
    let ready = gateways.sms.health().await.map(|()| "ready".to_owned());
    report.line("sms", ready.map_err(|e| with_causes(&e)))?;
    report.finish()
}

fn say(mark: &str, what: &str, text: &str) -> Outcome {
    Ok(writeln!(std::io::stdout(), "{mark}  {what}: {text}")?)
}

struct Report {
    failed: usize,
}

impl Report {
    /// What is too weak for production.
    fn findings(&mut self, config: &Config, findings: Vec<String>) -> Outcome {
        for finding in findings {
            match config.profile {
                Profile::Production => self.line("profile", Err(finding))?,
                Profile::Development => say("weak  ", "profile", &finding)?,
            }
        }
        Ok(())
    }

    fn line(&mut self, what: &str, result: Result<String, String>) -> Outcome {
        let (mark, text) = match result {
            Ok(text) => ("ok    ", text),
            Err(text) => {
                self.failed += 1;
                ("FAILED", text)
            }
        };
        say(mark, what, &text)
    }

    fn finish(self) -> Outcome {
        match self.failed {
            0 => Ok(()),
            1 => Err(Failure::Said("1 check failed".to_owned())),
            n => Err(Failure::Said(format!("{n} checks failed"))),
        }
    }
}
