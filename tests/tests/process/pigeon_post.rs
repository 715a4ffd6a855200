//! Adapters of one's own, from a repository of one's own: `examples/pigeon-post`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tests_support::app::{SignedIn, digits_of};
use tests_support::process::{Installation, target_folder};
use tests_support::until;

const PHONE: &str = "+8615612340000";

/// Builds the example and runs its own tests, as its owner would; gives its binary.
fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let example = root.join("examples/pigeon-post");
    // The same versions as ours, so that nothing has to be fetched.
    fs::copy(root.join("Cargo.lock"), example.join("Cargo.lock")).expect("a lock file");
    let target = target_folder();
    for action in ["build", "test"] {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args([action, "--quiet", "--manifest-path"])
            .arg(example.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .output();
        let output = output.expect("cargo runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cargo {action}: {told}");
    }
    target.join("debug/pigeon-post")
}

#[tokio::test]
async fn an_example_with_adapters_of_its_own_passes_its_tests_and_signs_in() {
    let binary = tokio::task::spawn_blocking(build).await.unwrap();
    let installation = Installation::new();
    let service = installation.serve_with(&binary).await;
    let asked = service.ask(PHONE).await;
    let loft = installation.folder().join("loft");
    let letter = until("a pigeon", async || {
        let letter = fs::read_dir(&loft).ok()?.next()?.ok()?;
        let text = fs::read_to_string(letter.path()).ok()?;
        text.ends_with('\n').then_some(text)
    })
    .await;
    assert!(letter.starts_with(&format!("To: {PHONE}\n")), "{letter}");
    let body = json!({ "phone_code_id": asked["id"], "code": digits_of(letter.trim_end()) });
    let signed_in = SignedIn::from(service.post("/v1/sessions").json(body).await.ok(201));
    assert_eq!(signed_in.body["new_user"], true);
    let me = service.get("/v1/users/me").bearer(&signed_in.access);
    assert_eq!(me.await.ok(200)["phone"], PHONE);
}
