//! What is left to find out when everybody has gone home.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::iter;
use tokio::time::sleep;

use crate::client::{Client, PROCESSES};
use crate::history::{Id, Reply, What};

/// How many questions at once.
const AT_ONCE: usize = 8;

/// How long to wait between two looks at a message that is under way.
const LOOK_EVERY: Duration = Duration::from_millis(30);

impl Client {
    /// Asks what has become of every code and every session, any process; and every process for
    /// its messages. A message that is under way is looked at so often.
    pub(crate) async fn ask_for_everything(&self, looks: usize) {
        let named = |name: fn(&Reply) -> Option<&Id>| -> BTreeSet<Id> {
            let calls = self.calls();
            let names = calls.iter().filter_map(|call| name(&call.reply));
            names.cloned().collect()
        };
        let codes = named(|reply| match reply {
            Reply::Code { id, .. } => Some(id),
            _ => None,
        });
        let sessions = named(|reply| match reply {
            Reply::Tokens { session, .. } => Some(session),
            _ => None,
        });
        let codes = iter(codes.into_iter().enumerate())
            .map(|(n, code)| self.look_at(n % PROCESSES, code, looks));
        codes.buffer_unordered(AT_ONCE).collect::<()>().await;
        let sessions = iter(sessions.into_iter().enumerate()).map(|(n, session)| async move {
            let access = self.access(&session).unwrap_or_default();
            self.call(n % PROCESSES, What::Check { session }, &access)
                .await;
        });
        sessions.buffer_unordered(AT_ONCE).collect::<()>().await;
        for process in 0..PROCESSES {
            self.outbox(process, None).await;
        }
    }

    async fn look_at(&self, process: usize, code: Id, looks: usize) {
        for _ in 0..looks {
            let what = What::Status { code: code.clone() };
            match self.call(process, what, "").await.reply {
                Reply::Code { status, .. } if status == "queued" => sleep(LOOK_EVERY).await,
                _ => return,
            }
        }
    }
}
