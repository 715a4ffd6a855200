//! What a whole flow asks of PostgreSQL and Redis, written down to be asked again without the
//! product.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use crate::Result;
use crate::calls::flow;
use crate::http::Client;
use crate::installation::Installation;
use crate::proxy::{Asked, Lines};
use crate::server::Server;
use crate::store::Store;
use crate::wire::Call;

/// A shorter value is no id, digest or name of a key.
const SHORTEST_NAME: usize = 16;

/// Longer than the work goes on that an answer does not wait for.
pub(crate) const SILENCE: Duration = Duration::from_millis(100);

/// A flow's calls, and the installation that they can be made on.
pub(crate) struct Replay {
    pub(crate) installation: Rc<Installation>,
    pub(crate) asked: Asked,
    /// What is this flow's own, such as its ids: other flows have other ones.
    own: HashSet<Vec<u8>>,
}

impl Replay {
    /// Records what two flows ask for: where they differ, all flows do.
    pub(crate) async fn record(store: Store) -> Result<Self> {
        let lines = Lines::to(store)?;
        let installation = Rc::new(Installation::on(store)?.over(&lines));
        let server = Server::node(&installation)?;
        let mut client = Client::connect(server.address).await?;
        let mut record = async || -> Result<Asked> {
            flow(&mut client).await?;
            tokio::time::sleep(SILENCE).await;
            Ok(lines.take())
        };
        // The first opens connections and loads scripts.
        record().await?;
        let (other, asked) = (record().await?, record().await?);
        let known: HashSet<_> = other.calls().flat_map(Call::byte_strings).collect();
        let own = asked.calls().flat_map(Call::byte_strings);
        let own = own.filter(|value| value.len() >= SHORTEST_NAME && !known.contains(value));
        Ok(Self {
            own: own.collect(),
            installation,
            asked,
        })
    }

    /// Whether a value is of this flow only.
    pub(crate) fn is_own(&self, value: &[u8]) -> bool {
        self.own.contains(value)
    }
}
