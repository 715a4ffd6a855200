use std::path::Path as FilePath;

use super::*;

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
const UPDATE: &str = "UPDATE_OPENAPI=1 cargo test -p phone-auth-app openapi";

#[test]
fn the_openapi_snapshot_is_what_the_code_says() {
    let document = String::from_utf8(document().to_vec()).unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(FilePath::new(SNAPSHOT), &document).unwrap();
    }
    let snapshot = std::fs::read_to_string(SNAPSHOT).unwrap_or_default();
    assert!(
        document == snapshot,
        "the API differs from docs/openapi.json. If that is meant, run\n\n    {UPDATE}\n\nand commit the file"
    );
}
