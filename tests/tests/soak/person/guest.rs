//! What somebody does who is signed in.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::{Person, is_trouble};
use crate::history::{Id, What};

/// A session in somebody's hand.
pub(super) struct Session {
    id: Id,
    access: String,
    refresh: String,
}

impl Session {
    pub(super) fn of(body: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some(Self {
            id: text(&body["session"]["id"])?,
            access: text(&body["access_token"])?,
            refresh: text(&body["refresh_token"])?,
        })
    }

    fn check(&self) -> What {
        let session = self.id.clone();
        What::Check { session }
    }

    fn renewal(&self) -> What {
        What::Refresh {
            session: self.id.clone(),
            token: self.refresh.clone(),
        }
    }
}

impl Person {
    /// What one does while signed in, and the end of it.
    pub(super) async fn stay(&mut self, mut session: Session) -> Option<()> {
        for _ in 0..self.rng.below(4) {
            match self.rng.below(6) {
                0..=2 => drop(self.call(session.check(), &session.access).await),
                3 => {
                    let what = What::List {
                        session: session.id.clone(),
                    };
                    self.call(what, &session.access).await;
                }
                4 => {
                    let told = self.call(session.renewal(), "").await;
                    // Whether the token works still, only its use would tell, and end the session.
                    session = Session::of(&told.body)?;
                }
                _ => {
                    self.calls(2, &session.renewal(), "").await;
                    return self.is_over(&session).await;
                }
            }
            self.think(20).await;
        }
        self.leave(&session).await
    }

    async fn leave(&mut self, session: &Session) -> Option<()> {
        let id = session.id.clone();
        let what = match self.rng.below(20) {
            0..=2 => return Some(()),
            3 => What::SignOutEverywhere { session: id },
            _ => What::SignOut { session: id },
        };
        for _ in 0..3 {
            let told = self.call(what.clone(), &session.access).await;
            if !is_trouble(&told.reply) {
                return self.is_over(session).await;
            }
            sleep(Duration::from_millis(200)).await;
        }
        None
    }

    /// Looks everywhere whether the session is over.
    async fn is_over(&mut self, session: &Session) -> Option<()> {
        for process in self.client.ready() {
            self.client
                .call(process, session.check(), &session.access)
                .await;
        }
        if self.rng.chance(30) {
            self.call(session.renewal(), "").await;
        }
        Some(())
    }
}
