//! How often an operation waits for the network, counted there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use conformance::sample;
use domain::code::DeliveryStatus;
use domain::ports::{CodeStore, RateLimiter, SessionStore, UserRepo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{open, own_server};

/// Between a client and the server: counts each time that the client speaks after the server did.
#[derive(Default)]
struct Wire {
    server_spoke: AtomicBool,
    round_trips: AtomicU32,
}

impl Wire {
    fn pass(self: &Arc<Self>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, is_server: bool) {
        let wire = self.clone();
        tokio::spawn(async move {
            let mut data = [0; 65_536];
            while let Ok(read @ 1..) = from.read(&mut data).await {
                if wire.server_spoke.swap(is_server, Ordering::SeqCst) && !is_server {
                    wire.round_trips.fetch_add(1, Ordering::SeqCst);
                }
                to.write_all(&data[..read]).await.unwrap();
            }
        });
    }

    /// Listens on a port of its own, and passes on what comes to the server.
    async fn before(server: u16) -> (Arc<Self>, u16) {
        let wire = Arc::new(Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let passing = wire.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                passing.pass(from_client, to_server, false);
                passing.pass(from_server, to_client, true);
            }
        });
        (wire, port)
    }

    fn take(&self) -> u32 {
        self.round_trips.swap(0, Ordering::SeqCst)
    }
}

#[tokio::test]
async fn every_operation_is_one_round_trip() {
    let server = own_server();
    let (wire, port) = Wire::before(server.port()).await;
    let url = server
        .database()
        .replace(&server.port().to_string(), &port.to_string());
    let store = open(&url).await;
    CodeStore::health(&*store).await.unwrap();
    wire.take();

    macro_rules! one_round_trip {
        ($($operation:expr),* $(,)?) => {
            $(
                let _ = $operation.await.unwrap();
                assert_eq!(wire.take(), 1, stringify!($operation));
            )*
        };
    }
    let code = sample::phone_code();
    let (phone, sent) = (
        *code.phone.index(),
        code.delivery.with(DeliveryStatus::Sent),
    );
    one_round_trip![
        store.put(&code),
        CodeStore::get(&*store, code.id),
        CodeStore::find_by_phone(&*store, &[phone]),
        store.begin_attempt(code.id),
        store.release_attempt(code.id),
        store.set_delivery(code.id, sent),
        store.consume(code.id),
        CodeStore::sweep(&*store, code.expires_at, 100),
    ];
    let new = sample::new_user();
    one_round_trip![
        store.find_or_create(&new),
        store.find_or_create(&new),
        store.find(new.user.id),
        UserRepo::find_by_phone(&*store, &[*new.user.phone.index()]),
        store.reseal(new.user.id, &sample::sealed_phone()),
        store.delete(new.user.id),
        UserRepo::health(&*store),
    ];
    let (session, renewal) = (sample::session(), sample::renewal(sample::NOW));
    one_round_trip![
        store.insert(&session, 1),
        SessionStore::get(&*store, session.id),
        store.rotate(session.id, session.refresh.unwrap(), &renewal),
        store.list(session.user, sample::NOW),
        store.revoke(session.id, sample::NOW),
        store.revoke_all(session.user, sample::NOW),
        SessionStore::sweep(&*store, session.ends_at, 100),
    ];
    let charges = [(); 6].map(|()| sample::charge(&[(1, 60), (100, 3600)]));
    let keys = charges.each_ref().map(|charge| charge.key);
    one_round_trip![
        store.acquire(&charges, sample::NOW),
        store.acquire(&charges, sample::NOW),
        store.refund(&charges, sample::NOW),
        store.clear(&keys),
        RateLimiter::sweep(&*store, sample::NOW, 100),
    ];
}
