//! What is over is removed, so that no store grows for ever.

use servers::psql;
use tests_support::app::{Setup, Store, TestApp};
use tests_support::on_every_store;

const DAY: u64 = 24 * 3600;

on_every_store!(what_is_over_is_swept_and_what_is_not_stays);

/// The rows of each table, where there are tables.
fn rows(app: &TestApp, store: Store) -> Option<[usize; 4]> {
    let count = |table: &str| match app.database() {
        Some(url) => psql(url, &format!("SELECT count(*) FROM phone_auth.{table}"))
            .parse()
            .unwrap(),
        None => {
            let file = app.folder().join("data/phone-auth.db");
            let file = rusqlite::Connection::open(file).unwrap();
            let count = format!("SELECT count(*) FROM {table}");
            file.query_row(&count, [], |row| row.get(0)).unwrap()
        }
    };
    let tables = ["codes", "counters", "sessions", "users"];
    (store != Store::Memory).then(|| tables.map(count))
}

async fn what_is_over_is_swept_and_what_is_not_stays(store: Store) {
    let app = Setup::on(store).start().await;
    for n in 0..10 {
        app.sign_in(&format!("+86156{n:08}")).await;
    }
    app.clock.advance_secs(7 * DAY - 60);
    let live = app.sign_in("+8615700000000").await;
    // A session stays until its code is over too.
    app.clock.advance_secs(60 + 300);
    let swept = app.auth().sweep(10_000).await.unwrap();
    let codes = if store.sweeps_codes() { 10 } else { 0 };
    let sessions = if store.sweeps_sessions() { 10 } else { 0 };
    assert!(swept >= sessions + codes, "{swept}");
    app.refresh(&live.refresh).await.ok(200);
    if let Some([codes, _, sessions, users]) = rows(&app, store) {
        assert_eq!((codes, users), (0, 11));
        assert_eq!(sessions, usize::from(store.sweeps_sessions()));
    }
    app.clock.advance_secs(31 * DAY);
    let swept = app.auth().sweep(10_000).await.unwrap();
    assert!(swept > 0 || !store.sweeps_sessions());
    assert_eq!(app.auth().sweep(10_000).await.unwrap(), 0);
    if let Some(rows) = rows(&app, store) {
        assert_eq!(rows, [0, 0, 0, 11]);
    }
    assert!(app.has_user("+8615600000000").await);
}
