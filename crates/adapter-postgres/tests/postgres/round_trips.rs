//! How often an operation waits for the network, counted there.

use conformance::sample;
use domain::code::DeliveryStatus;
use domain::ports::{CodeStore, RateLimiter, SessionStore, UserRepo};

use crate::support::open;
use crate::wire::Wire;

#[tokio::test]
async fn every_operation_is_one_round_trip() {
    let (wire, url) = Wire::to_new_database().await;
    let store = open(&url).await;
    CodeStore::health(&*store).await.unwrap();
    wire.take_round_trips();

    macro_rules! one_round_trip {
        ($($operation:expr),* $(,)?) => {
            $(
                let _ = $operation.await.unwrap();
                assert_eq!(wire.take_round_trips(), 1, stringify!($operation));
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
