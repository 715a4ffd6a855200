//! What is in the way of a start: one line that says what to do, and nothing overwritten.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use rusqlite::Connection;
use tests_support::process::Installation;

use super::{done, failed};

/// The one line of a start that failed.
#[track_caller]
fn refused(installation: &Installation, command: &[&str], status: i32, told: &[&str]) {
    let finished = installation.run(command);
    let lines = failed(&finished, status);
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in told {
        assert!(lines[0].contains(part), "{part}: {lines:?}");
    }
}

#[test]
fn a_busy_port_is_named() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    for key in ["server.bind", "server.ops_bind"] {
        let installation = Installation::new().set(key, &address);
        refused(
            &installation,
            &["serve"],
            1,
            &[key, &address, "another address"],
        );
    }
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    let installation = Installation::new();
    let file = installation.folder().join("file");
    fs::write(&file, "something else").unwrap();
    let below = file.join("data");
    let installation = installation.set("data.dir", &below.display().to_string());
    for command in ["serve", "check"] {
        refused(
            &installation,
            &[command],
            1,
            &[&below.display().to_string()],
        );
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "something else");
}

#[test]
fn a_database_that_cannot_be_made_is_named() {
    let installation = Installation::new();
    let folder = installation.folder().join("folder.db");
    fs::create_dir(&folder).unwrap();
    let path = folder.display().to_string();
    let installation = installation.set("sqlite.path", &path);
    for command in ["serve", "migrate"] {
        refused(&installation, &[command], 1, &["sqlite", &path]);
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}

/// Runs a change on the database of a service that has ended.
fn change(database: &Path, sql: &str) {
    let connection = Connection::open(database).unwrap();
    connection.execute_batch(sql).unwrap();
    connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
}

#[test]
fn a_database_of_a_newer_schema_is_left_alone() {
    let installation = Installation::new();
    done(&installation.run(&["migrate"]));
    let database = installation.data().join("phone-auth.db");
    change(
        &database,
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
         SELECT version + 1000, 'later', applied_on, checksum FROM refinery_schema_history LIMIT 1",
    );
    let before = fs::read(&database).unwrap();
    for command in ["serve", "migrate", "check"] {
        refused(&installation, &[command], 1, &["sqlite", "newer"]);
    }
    assert!(fs::read(&database).unwrap() == before, "it was written to");
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let installation = Installation::new();
    fs::create_dir(installation.data()).unwrap();
    let database = installation.data().join("phone-auth.db");
    let letters = "dear diary, ".repeat(1000);
    fs::write(&database, &letters).unwrap();
    for command in ["serve", "migrate", "check"] {
        refused(&installation, &[command], 1, &["sqlite", "phone-auth.db"]);
    }
    assert_eq!(fs::read_to_string(&database).unwrap(), letters);
}

#[test]
fn a_key_ring_that_is_none_is_left_alone() {
    let installation = Installation::new();
    fs::create_dir(installation.data()).unwrap();
    let ring = installation.data().join("keys.toml");
    let text = "[[keys]]\nsecret = hunter2\n";
    fs::write(&ring, text).unwrap();
    for command in [
        &["serve"][..],
        &["check"],
        &["keys", "list"],
        &["keys", "rotate"],
    ] {
        refused(&installation, command, 2, &["keys.toml"]);
        assert!(!installation.run(command).err.contains("hunter2"));
    }
    assert_eq!(fs::read_to_string(ring).unwrap(), text);
}

#[tokio::test]
async fn a_start_that_failed_can_be_made_good() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    let installation = Installation::new();
    let installation = installation.set("server.bind", &address);
    refused(&installation, &["serve"], 1, &["server.bind"]);
    drop(busy);
    let service = installation.serve().await;
    assert_eq!(service.address().to_string(), address);
}
