//! Dockerfile.

use servers::free_port;
use tests_support::process::Installation;
use tests_support::until;

use super::{dockerfile, read};

/// The instructions that there are, and their flags.
const KNOWN: [(&str, &str); 17] = [
    (
        "ADD",
        "checksum chmod chown exclude keep-git-dir link unpack",
    ),
    ("ARG", ""),
    ("CMD", ""),
    ("COPY", "chmod chown exclude from link parents"),
    ("ENTRYPOINT", ""),
    ("ENV", ""),
    ("EXPOSE", ""),
    ("FROM", "platform"),
    (
        "HEALTHCHECK",
        "interval retries start-interval start-period timeout",
    ),
    ("LABEL", ""),
    ("ONBUILD", ""),
    ("RUN", "device mount network security"),
    ("SHELL", ""),
    ("STOPSIGNAL", ""),
    ("USER", ""),
    ("VOLUME", ""),
    ("WORKDIR", ""),
];

/// Each of these instructions.
fn all(word: &str) -> Vec<String> {
    let image = dockerfile().into_iter().filter(|(known, _)| known == word);
    image.map(|(_, rest)| rest).collect()
}

#[test]
fn the_image_is_made_by_instructions_and_flags_that_there_are() {
    for (word, rest) in dockerfile() {
        let known = KNOWN.iter().find(|(known, _)| *known == word);
        let (_, flags) = known.unwrap_or_else(|| panic!("no instruction: {word}"));
        let given = rest.split(' ').map_while(|part| part.strip_prefix("--"));
        for flag in given {
            let name = flag.split('=').next().unwrap();
            assert!(flags.split(' ').any(|known| known == name), "{word} {flag}");
        }
    }
}

#[test]
fn the_image_runs_the_binary_that_is_built_and_not_as_root() {
    let built = all("RUN").concat();
    assert!(built.contains("cargo build --release --locked --bin phone-auth "));
    assert!(built.contains("cp target/release/phone-auth /phone-auth "));
    let binary = "/usr/local/bin/phone-auth";
    assert!(all("COPY").contains(&format!("--from=build /phone-auth {binary}")));
    assert_eq!(all("ENTRYPOINT"), [format!("[\"{binary}\"]")]);
    assert_eq!(all("CMD"), ["[\"serve\"]"]);
    assert!(all("HEALTHCHECK")[0].ends_with(&format!("CMD [\"{binary}\", \"health\"]")));
    assert!(all("FROM").last().unwrap().ends_with(":nonroot"));
}

#[test]
fn the_image_is_built_with_the_toolchain_that_the_workspace_asks_for() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let wanted = manifest["workspace"]["package"]["rust-version"]
        .as_str()
        .unwrap();
    assert!(all("FROM")[0].starts_with(&format!("rust:{wanted}-")));
}

#[tokio::test]
async fn the_health_check_passes_while_the_service_is_ready() {
    let ops = format!("127.0.0.1:{}", free_port());
    let installation = Installation::new().set("server.ops_bind", &ops);
    let installation = installation.set("server.drain", "1s");
    let before = installation.run(&["health"]);
    assert_eq!(before.status, 1);
    let told = format!("http://{ops}/readyz does not answer");
    assert!(before.err.contains(&told), "{before:?}");
    let service = installation.serve().await;
    let ready = installation.run(&["health"]);
    assert_eq!((ready.status, ready.err.as_str()), (0, ""));
    assert!(ready.out.contains("\"status\":\"ready\""), "{ready:?}");
    service.terminate();
    until("the end to begin", async || {
        let ending = installation.run(&["health"]);
        (ending.status == 1 && ending.err.contains("\"status\":\"ending\"")).then_some(())
    })
    .await;
}

#[test]
fn the_health_check_reads_a_settings_file_that_is_mounted_where_the_docs_say() {
    let folder = all("WORKDIR").pop().unwrap();
    let file = "config/default.toml";
    let told = format!("mount it as `{folder}/{file}`");
    assert!(read("docs/deployment.md").contains(&told), "{told}");
    let installation = Installation::new();
    std::fs::create_dir(installation.folder().join("config")).unwrap();
    std::fs::write(installation.folder().join(file), "[code]\nlength = 1\n").unwrap();
    let health = installation.run(&["health"]);
    let told = format!("code.length (file {file}) cannot be 1");
    assert!(health.err.starts_with(&told), "{health:?}");
}
