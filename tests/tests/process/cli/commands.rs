//! What every command does when all is well, or nearly.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use tests_support::app::SignedIn;
use tests_support::process::Installation;

use super::{done, failed};

const PHONE: &str = "+8615612340000";

#[test]
fn every_command_has_help_with_an_example() {
    let installation = Installation::new();
    for command in [
        &[][..],
        &["serve"],
        &["config"],
        &["check"],
        &["health"],
        &["migrate"],
        &["keys", "list"],
        &["keys", "rotate"],
        &["users", "show"],
        &["users", "sign-out"],
        &["users", "delete"],
        &["sms", "send"],
    ] {
        let help = installation.run(&[command, &["--help"]].concat());
        let text = done(&help);
        let example = format!("  phone-auth {}", command.join(" "));
        assert!(text.contains("Example"), "{text}");
        assert!(text.contains(example.trim_end()), "{text}");
    }
    assert!(done(&installation.run(&["--version"])).starts_with("phone-auth "));
    assert!(!installation.data().exists(), "help makes nothing");
}

#[test]
fn wrong_usage_is_status_2_and_says_how() {
    let installation = Installation::new();
    for command in [
        &["sing"][..],
        &["--port", "1"],
        &["users"],
        &["users", "show"],
        &["keys", "rotate", "everything"],
        &["serve", "now"],
        &["--set", "code.length"],
    ] {
        let finished = installation.run(command);
        assert!(!failed(&finished, 2).is_empty(), "{command:?}");
        assert!(finished.err.contains("--help") || finished.err.contains("Usage"));
    }
    assert!(!installation.data().exists());
}

#[test]
fn config_shows_every_value_its_layer_and_no_secret() {
    let installation = Installation::new()
        .set("code.length", "8")
        .set("test_numbers.8613800138000.code", "42424242");
    let finished = installation.run(&["config", "--set", "sms.brand=Pigeon"]);
    let shown = done(&finished);
    let line = |key: &str| {
        let found = shown.lines().find(|line| line.starts_with(key));
        found.unwrap_or_else(|| panic!("no {key} in {shown}"))
    };
    assert!(line("code.length").contains('8'));
    assert!(line("code.length").contains("PHONE_AUTH__CODE__LENGTH"));
    assert!(line("sms.brand").contains("Pigeon") && line("sms.brand").contains("command line"));
    assert!(line("code.tries").contains('5') && line("code.tries").contains("default"));
    assert!(!shown.contains("42424242"), "{shown}");
    assert!(!installation.data().exists());
}

#[test]
fn a_wrong_configuration_tells_every_fault_at_once_and_touches_nothing() {
    let installation = Installation::new()
        .set("code.length", "5")
        .set("code.lifetime", "11m")
        .set("limits.sends_overall", "lots")
        .set("stores.users", "mongodb")
        .set("sms.gateways.stub.delay", "hunter2")
        .set("serverr.bind", "127.0.0.1:1");
    for command in [
        &["serve"][..],
        &["config"],
        &["check"],
        &["migrate"],
        &["keys", "list"],
    ] {
        let finished = installation.run(command);
        let lines = failed(&finished, 2);
        let keys: Vec<_> = lines
            .iter()
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        let expected = [
            "code.length",
            "code.lifetime",
            "limits.sends_overall",
            "serverr.bind",
            "sms.gateways.stub.delay",
            "stores.users",
        ];
        assert_eq!(keys, expected, "{command:?}: {lines:?}");
        let line = "code.length (environment PHONE_AUTH__CODE__LENGTH) cannot be \"5\": \
                    write a whole number from 6 to 10";
        assert_eq!(lines[0], line);
        assert!(
            !finished.err.contains("hunter2"),
            "a gateway's setting may be a secret"
        );
    }
    assert!(!installation.data().exists());
}

#[test]
fn check_tells_what_works_and_what_does_not() {
    let installation = Installation::new();
    let before = done(&installation.run(&["check"])).to_owned();
    assert!(
        before.contains("sqlite") && before.contains("migrat"),
        "{before}"
    );
    done(&installation.run(&["migrate"]));
    let finished = installation.run(&["check"]);
    let after = done(&finished);
    for part in [
        "configuration",
        "codes",
        "rate_limits",
        "sessions",
        "users",
        "sms",
    ] {
        assert!(after.contains(&format!("ok      {part}: ")), "{after}");
    }
    let broken = installation.set("sms.gateways.stub.fail", "misconfigured");
    let finished = broken.run(&["check"]);
    assert_eq!(failed(&finished, 1), ["1 check failed"]);
    assert!(finished.out.contains("FAILED  sms: "), "{}", finished.out);
}

#[tokio::test]
async fn migrate_makes_the_schema_once() {
    let installation = Installation::new();
    let first = done(&installation.run(&["migrate"])).to_owned();
    assert!(
        first.starts_with("sqlite: ") && first.contains("applied"),
        "{first}"
    );
    let second = installation.run(&["migrate"]);
    assert_eq!(done(&second), "sqlite: the schema is up to date\n");
    installation.serve().await;
    let in_memory = ["codes", "rate_limits", "sessions", "users"]
        .iter()
        .fold(Installation::new(), |installation, port| {
            installation.set(&format!("stores.{port}"), "memory")
        });
    let none = in_memory.run(&["migrate"]);
    assert_eq!(done(&none), "no configured store has a schema\n");
}

#[test]
fn keys_are_listed_and_rotated_without_their_secrets() {
    let installation = Installation::new();
    let count = |shown: &str, purpose: &str| {
        let rows = shown.lines().filter(|line| line.starts_with(purpose));
        rows.count()
    };
    let first = done(&installation.run(&["keys", "list"])).to_owned();
    assert_eq!(
        (count(&first, "data"), count(&first, "EdDSA")),
        (1, 1),
        "{first}"
    );
    let token = done(&installation.run(&["keys", "rotate", "token"])).to_owned();
    assert_eq!(
        (count(&token, "data"), count(&token, "EdDSA")),
        (1, 2),
        "{token}"
    );
    let both = done(&installation.run(&["keys", "rotate"])).to_owned();
    assert_eq!(
        (count(&both, "data"), count(&both, "EdDSA")),
        (2, 3),
        "{both}"
    );
    assert_eq!(both.matches("current").count(), 2, "{both}");
    let ring = std::fs::read_to_string(installation.data().join("keys.toml")).unwrap();
    let secrets = ring
        .lines()
        .filter_map(|line| line.strip_prefix("secret = "));
    let secrets: Vec<_> = secrets.map(|secret| secret.trim_matches('"')).collect();
    assert_eq!(secrets.len(), 5);
    for secret in secrets {
        assert!(!both.contains(secret), "{both}");
    }
}

#[tokio::test]
async fn an_operator_sees_signs_out_and_deletes_a_user_while_it_serves() {
    let installation = Installation::new();
    let service = installation.serve().await;
    let asked = service.ask(PHONE).await;
    let code = service.digits(PHONE, 1).await;
    let body = json!({ "phone_code_id": asked["id"], "code": code });
    let signed_in = SignedIn::from(service.post("/v1/sessions").json(body).await.ok(201));
    let me = service.get("/v1/users/me").bearer(&signed_in.access);
    let shown = installation.run(&["users", "show", "156 1234 0000"]);
    for part in [signed_in.user.as_str(), PHONE, "live sessions  1"] {
        assert!(done(&shown).contains(part), "{shown:?}");
    }
    let signed_out = installation.run(&["users", "sign-out", PHONE]);
    assert_eq!(done(&signed_out), "sessions ended: 1\n");
    me.await.problem(401, "unauthenticated");
    let again = installation.run(&["users", "sign-out", PHONE]);
    assert_eq!(done(&again), "sessions ended: 0\n");
    let deleted = installation.run(&["users", "delete", PHONE]);
    assert!(done(&deleted).contains(&signed_in.user));
    for command in ["show", "sign-out", "delete"] {
        let finished = installation.run(&["users", command, PHONE]);
        assert_eq!(failed(&finished, 1), ["no user has that number"]);
        let finished = installation.run(&["users", command, "12345"]);
        assert_eq!(failed(&finished, 1).len(), 1);
        assert!(finished.err.contains("not a valid phone number"));
    }
}

#[tokio::test]
async fn what_it_keeps_is_for_its_owner_only() {
    let installation = Installation::new();
    installation.serve().await;
    let mode = |name: &str| {
        let path = installation.data().join(name);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(""), 0o700);
    for file in ["keys.toml", "phone-auth.db"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
}

#[test]
fn users_in_the_memory_of_another_process_cannot_be_seen() {
    let installation = Installation::new().set("stores.users", "memory");
    let finished = installation.run(&["users", "show", PHONE]);
    let lines = failed(&finished, 1);
    assert!(
        lines.len() == 1 && lines[0].contains("stores.users"),
        "{lines:?}"
    );
}

#[test]
fn a_test_message_goes_through_the_gateway() {
    let installation = Installation::new();
    let sent = installation.run(&["sms", "send", PHONE]);
    assert!(
        done(&sent).starts_with("stub took the message to +86156****0000"),
        "{sent:?}"
    );
    let broken = installation.set("sms.gateways.stub.fail", "unavailable");
    let finished = broken.run(&["sms", "send", PHONE]);
    assert_eq!(failed(&finished, 1).len(), 1, "{finished:?}");
    assert_eq!(failed(&broken.run(&["sms", "send", "12"]), 1).len(), 1);
}
