//! What is over is removed, so that no store grows for ever.

use tests_support::app::{Setup, Store, TestApp};
use tests_support::on_every_store;

const DAY: u64 = 24 * 3600;

on_every_store!(what_is_over_is_swept_and_what_is_not_stays);

/// The rows of each table, of a store that is a file.
fn rows(app: &TestApp) -> [usize; 4] {
    let file = rusqlite::Connection::open(app.folder().join("data/phone-auth.db")).unwrap();
    ["codes", "counters", "sessions", "users"].map(|table| {
        let count = format!("SELECT count(*) FROM {table}");
        file.query_row(&count, [], |row| row.get(0)).unwrap()
    })
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
    assert!(swept > 20, "{swept}");
    app.refresh(&live.refresh).await.ok(200);
    if store == Store::Sqlite {
        let [codes, _, sessions, users] = rows(&app);
        assert_eq!((codes, sessions, users), (0, 1, 11));
    }
    app.clock.advance_secs(31 * DAY);
    assert!(app.auth().sweep(10_000).await.unwrap() > 0);
    assert_eq!(app.auth().sweep(10_000).await.unwrap(), 0);
    if store == Store::Sqlite {
        assert_eq!(rows(&app), [0, 0, 0, 11]);
    }
    assert!(app.has_user("+8615600000000").await);
}
