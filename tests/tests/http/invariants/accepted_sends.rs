//! I6: each accepted send ends, and a shutdown drops none.

use std::future::IntoFuture;

use futures_util::future::join_all;
use tests_support::app::{Setup, Store};
use tests_support::{lift_file_limit, on_every_store, until};

on_every_store!(
    a_shutdown_under_load_drops_no_accepted_message,
    a_message_is_sent_once,
);

async fn a_shutdown_under_load_drops_no_accepted_message(store: Store) {
    let setup = Setup::on(store).unlimited();
    let setup = setup
        .set("sms.gateways.stub.delay", "20ms")
        .set("sms.workers", "4");
    let app = setup.start().await;
    let heir = app.sibling().await;
    let outbox = app.outbox();
    lift_file_limit();
    let phone = |n: usize| format!("+86156{n:08}");
    let asks: Vec<_> = (0..300)
        .map(|n| tokio::spawn(app.ask(&phone(n)).attempt()))
        .collect();
    until("messages under way", async || {
        (outbox.newest_first(None).len() > 4).then_some(())
    })
    .await;
    // Elsewhere, because it waits until everything is drained.
    let stopping = tokio::task::spawn_blocking(move || app.stop());
    let answers = join_all(asks.into_iter().map(IntoFuture::into_future)).await;
    stopping.await.unwrap();
    let mut accepted = 0;
    for answer in answers
        .into_iter()
        .filter_map(|answer| answer.unwrap().ok())
    {
        if answer.status == 202 {
            let id = answer.json()["id"].as_str().unwrap().to_owned();
            let status = heir.get(&format!("/v1/phone-codes/{id}")).await.ok(200);
            assert_eq!(status["status"], "sent");
            accepted += 1;
        } else {
            answer.problem(503, "unavailable");
        }
    }
    assert!(accepted > 4, "the load came too late");
    assert!(outbox.newest_first(None).len() >= accepted);
}

async fn a_message_is_sent_once(store: Store) {
    let app = Setup::on(store).unlimited().start().await;
    for n in 0..50 {
        let phone = format!("+86156{n:08}");
        let asked = app.ask(&phone).await.ok(202);
        assert_eq!(app.delivery(asked["id"].as_str().unwrap()).await, "sent");
        assert_eq!(app.messages(&phone).len(), 1);
    }
}
