//! compose.yaml.

use boon::{Compiler, Schemas};
use serde_json::Value;

use super::{compose, dockerfile, environment, installation, path, read};

const NODES: [&str; 3] = ["app1", "app2", "app3"];
const IMAGE: &str = "phone-auth";

fn names(list: &Value) -> Vec<&str> {
    match list {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        Value::Object(map) => map.keys().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn its_schema_knows_every_word_of_it() {
    let schema = path("tests/fixtures/compose-spec/compose-spec.json");
    let mut schemas = Schemas::new();
    let schema = Compiler::new().compile(schema.to_str().unwrap(), &mut schemas);
    let schema = schema.unwrap();
    let said = |file: &Value| match schemas.validate(file, schema) {
        Ok(()) => String::new(),
        Err(error) => error.to_string(),
    };
    let mut file = compose();
    assert_eq!(said(&file), "");
    let service = &mut file["services"]["redis"];
    service["healtcheck"] = service["healthcheck"].take();
    let said = said(&file);
    assert!(said.contains("'healtcheck' not allowed"), "{said}");
}

#[test]
fn every_node_is_configured_without_a_fault() {
    let compose = compose();
    for node in NODES {
        let environment = environment(&compose["services"][node]);
        let shown = installation(&environment).run(&["config"]);
        assert_eq!((shown.status, shown.err.as_str()), (0, ""));
        for (name, _) in environment {
            assert!(
                shown.out.contains(&name),
                "{name} is not used: {}",
                shown.out
            );
        }
    }
}

#[test]
fn the_image_is_built_by_one_service_and_pulled_by_none() {
    let compose = compose();
    let services = compose["services"].as_object().unwrap().values();
    // Builds that run side by side and end in one name are in each other's way.
    let built = services.filter(|service| service.get("build").is_some());
    let built: Vec<_> = built.map(|service| &service["image"]).collect();
    assert_eq!(built, [IMAGE]);
    for node in NODES {
        let service = &compose["services"][node];
        assert_eq!(service["image"], IMAGE);
        assert_eq!(service["pull_policy"], "never");
    }
}

#[test]
fn nodes_may_write_nothing_but_their_data() {
    let compose = compose();
    let image = dockerfile();
    for node in NODES {
        let service = &compose["services"][node];
        assert_eq!(service["read_only"], true);
        assert_eq!(names(&service["cap_drop"]), ["ALL"]);
        assert_eq!(names(&service["security_opt"]), ["no-new-privileges:true"]);
        assert_eq!(names(&service["volumes"]), ["keys:/var/lib/phone-auth"]);
    }
    let has = |word: &str, part: &str| {
        let mut lines = image.iter();
        lines.any(|(known, rest)| known == word && rest.contains(part))
    };
    assert!(has(
        "COPY",
        "--chown=nonroot:nonroot /data /var/lib/phone-auth"
    ));
    assert!(has("ENV", "PHONE_AUTH__DATA__DIR=/var/lib/phone-auth"));
}

#[test]
fn every_file_volume_and_service_that_it_names_is_there() {
    let compose = compose();
    let services = compose["services"].as_object().unwrap();
    for (name, service) in services {
        for mount in names(&service["volumes"]) {
            let (source, _) = mount.split_once(':').unwrap();
            let known = match source.strip_prefix("./") {
                Some(file) => path(file).exists(),
                None => names(&compose["volumes"]).contains(&source),
            };
            assert!(known, "{name}: {source}");
        }
        for (other, condition) in service["depends_on"].as_object().into_iter().flatten() {
            assert_eq!(condition["condition"], "service_healthy", "{name}: {other}");
            let other = &services[other];
            let in_image = dockerfile().iter().any(|(word, _)| word == "HEALTHCHECK");
            let checked = other["healthcheck"].is_object() || other["image"] == IMAGE && in_image;
            assert!(checked, "{name} waits for the health of {other}");
        }
    }
}

#[test]
fn a_slow_first_start_is_not_taken_for_an_illness() {
    let compose = compose();
    let services = compose["services"].as_object().unwrap().values();
    let checks = services.filter_map(|service| service.get("healthcheck"));
    let checks: Vec<_> = checks.map(|check| &check["start_period"]).collect();
    assert_eq!(checks, ["60s", "60s"]);
    let image = dockerfile();
    let check = image.iter().find(|(word, _)| word == "HEALTHCHECK");
    assert!(check.unwrap().1.contains("--start-period=60s "));
}

#[test]
fn nginx_balances_the_nodes_on_their_port_and_is_the_one_they_trust() {
    let (compose, nginx) = (compose(), read("deploy/nginx.conf"));
    let servers: Vec<_> = nginx
        .lines()
        .filter_map(|line| line.trim().strip_prefix("server "))
        .filter_map(|line| line.split([' ', ';']).next()?.split_once(':'))
        .collect();
    assert_eq!(servers, NODES.map(|node| (node, "8080")));
    let address = |name: &str| {
        let network = &compose["services"][name]["networks"]["default"];
        network["ipv4_address"].as_str().unwrap().to_owned()
    };
    let told = &compose["services"]["nginx"]["extra_hosts"];
    for node in NODES {
        let environment = environment(&compose["services"][node]);
        let value = |name: &str| {
            let name = format!("PHONE_AUTH__SERVER__{name}");
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone()).unwrap()
        };
        assert!(value("BIND").ends_with(":8080"));
        assert_eq!(value("TRUSTED_PROXIES"), address("nginx"));
        assert_ne!(address(node), address("nginx"));
        // Or nginx does not start while a node is stopped.
        assert_eq!(told[node], address(node));
    }
}
