//! What has to be true while something is broken, and once it no longer is.

use std::time::{Duration, Instant};

use tests_support::until;
use tokio::time::sleep;

use crate::client::PROCESSES;
use crate::history::{Reply, What, test_number};
use crate::world::{CODE, WITNESS, World};

/// How soon everything has to work again once nothing is broken any more.
const RECOVERY: Duration = Duration::from_secs(15);

/// Every store that `/readyz` tells of.
const PORTS: [&str; 4] = ["codes", "rate_limits", "sessions", "users"];

impl World {
    /// Waits until every process says that exactly these stores are down.
    pub(crate) async fn until_down(&self, ports: &[&str]) {
        for process in 0..PROCESSES {
            let ready = self.service(process).get_ops("/readyz");
            until("the loss on /readyz", async || {
                let answer = ready.clone().await;
                let told = answer.json();
                let is_told = |port: &&str| (told[port] == "down") == ports.contains(port);
                let is_told = PORTS.iter().all(is_told);
                (is_told && (answer.status == 200) == ports.is_empty()).then_some(())
            })
            .await;
        }
    }

    /// Waits until somebody whom nobody disturbs gets from asking to signing out on each process.
    pub(crate) async fn works_again(&mut self) {
        let started = Instant::now();
        self.until_down(&[]).await;
        for process in 0..PROCESSES {
            while !self.serves(process).await {
                let took = started.elapsed();
                assert!(
                    took < RECOVERY,
                    "process {process} does not recover in {took:?}"
                );
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn serves(&self, process: usize) -> bool {
        let phone = test_number(WITNESS);
        let call =
            |what, secret: String| async move { self.client.call(process, what, &secret).await };
        let asked = call(What::Ask { phone, key: None }, String::new()).await;
        let Reply::Code { id: code, .. } = asked.reply else {
            return false;
        };
        let entered = call(What::Enter { code, right: true }, CODE.to_owned()).await;
        let Reply::Tokens { session, .. } = entered.reply else {
            return false;
        };
        let access = self.client.access(&session).unwrap_or_default();
        let left = call(What::SignOut { session }, access).await;
        left.reply == Reply::Done
    }

    /// Waits until that many have signed in: of less than that nothing can be learned.
    pub(crate) async fn until_people_got_in(&self, many: usize) {
        until("people who get in", async || {
            let calls = self.client.calls();
            let opened = calls.iter().filter(|call| call.opens_a_session());
            (opened.count() >= many).then_some(())
        })
        .await;
    }
}
