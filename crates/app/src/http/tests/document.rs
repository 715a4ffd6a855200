use std::collections::{BTreeMap, BTreeSet};

use super::*;

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
const UPDATE: &str = "make openapi";

#[actix_web::test]
async fn the_openapi_snapshot_is_what_the_code_says() {
    let served = world(|_| {}).await.get("/openapi.json").await;
    assert_eq!(
        served.headers.get("content-type").unwrap(),
        "application/json"
    );
    let document = served.text + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(SNAPSHOT, &document).unwrap();
    }
    let snapshot = std::fs::read_to_string(SNAPSHOT).unwrap_or_default();
    assert!(
        document == snapshot,
        "the API differs from docs/openapi.json. If that is meant, run\n\n    {UPDATE}\n\nand commit the file"
    );
}

/// The documented methods of each path.
async fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let document = world(|_| {}).await.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap();
    let methods = |calls: &Value| {
        let methods = calls.as_object().unwrap().keys();
        methods.map(|method| method.to_uppercase()).collect()
    };
    paths
        .iter()
        .map(|(path, calls)| (path.clone(), methods(calls)))
        .collect()
}

#[actix_web::test]
async fn what_is_documented_is_routed_and_nothing_else_is() {
    let world = world(|_| {}).await;
    for (path, methods) in documented().await {
        let path = path.replace("{id}", "some-id");
        let wrong = world.with_token("PATCH", &path, "x").await;
        assert_eq!(
            wrong.problem(),
            (405, "method_not_allowed".into()),
            "{path}"
        );
        let allowed = wrong.headers.get("allow").unwrap().to_str().unwrap();
        let allowed: BTreeSet<_> = allowed.split(", ").map(str::to_owned).collect();
        assert_eq!(allowed, methods, "{path}");
    }
}

#[actix_web::test]
async fn every_reference_of_the_document_leads_somewhere() {
    let text = world(|_| {}).await.get("/openapi.json").await.text;
    let document: Value = serde_json::from_str(&text).unwrap();
    let references = text.split("\"$ref\": \"#").skip(1);
    let references: BTreeSet<_> = references
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(references.len() > 20, "{references:?}");
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}

#[actix_web::test]
async fn the_docs_page_needs_nothing_from_elsewhere() {
    let world = world(|_| {}).await;
    let page = world.get("/docs").await;
    assert_eq!(page.status, 200);
    assert!(page.headers.get("content-security-policy").is_some());
    let links = page.text.split(['"']).filter(|part| part.starts_with('/'));
    let links: Vec<_> = links.collect();
    assert!(links.len() >= 4, "{links:?}");
    for link in links {
        assert_eq!(world.get(link).await.status, 200, "{link}");
    }
    let initializer = world.get("/docs/swagger-initializer.js").await.text;
    assert!(initializer.contains("/openapi.json"), "{initializer}");
    for text in [page.text, initializer] {
        assert!(!text.contains("://"), "{text}");
    }
    assert_eq!(
        world.get("/docs/nothing").await.problem(),
        (404, "not_found".into())
    );
}

#[actix_web::test]
async fn what_is_switched_off_is_not_found() {
    let world = world(|state| (state.docs, state.short_contract) = (false, false)).await;
    for path in [
        "/openapi.json",
        "/docs",
        "/docs/swagger-ui.css",
        "/auth/phone_code",
    ] {
        assert_eq!(
            world.get(path).await.problem(),
            (404, "not_found".into()),
            "{path}"
        );
    }
    assert_eq!(world.get("/home").await.text, "page");
}
