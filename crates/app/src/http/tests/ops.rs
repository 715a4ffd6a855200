use serde_json::json;

use super::*;
use crate::captured::Log;

async fn ops(
    ports: impl FnOnce(&mut Ports),
) -> World<impl Service<actix_http::Request, Response = ServiceResponse, Error = Error>> {
    let (state, jobs) = state(ports);
    let app = app(RequestIds::new(&SystemEntropy), ops_routes(state));
    World {
        service: init_service(app).await,
        _jobs: jobs,
    }
}

#[actix_web::test]
async fn a_service_that_can_serve_says_so() {
    let world = ops(|_| {}).await;
    assert_eq!(world.get("/healthz").await.status, 200);
    let ready = world.get("/readyz").await;
    assert_eq!(
        (ready.status, &ready.json()["status"]),
        (200, &json!("ready"))
    );
}

#[actix_web::test]
async fn what_is_down_is_named_and_the_service_stays_alive() {
    let world = ops(|ports| ports.limiter = Arc::new(DOWN)).await;
    assert_eq!(world.get("/healthz").await.status, 200);
    let ready = world.get("/readyz").await;
    let parts = json!({"status": "not_ready", "codes": "up", "rate_limits": "down",
        "sessions": "up", "users": "up", "queue": "up", "stores": {},
        "lost": []});
    assert_eq!((ready.status, ready.json()), (503, parts));
}

#[actix_web::test]
async fn a_full_queue_is_not_ready_and_asking_does_not_fill_it() {
    let (full, jobs) = queue(1);
    let world = ops(|ports| ports.queue = full.clone()).await;
    for _ in 0..3 {
        assert_eq!(world.get("/readyz").await.status, 200);
    }
    let slot = domain::ports::SendQueue::reserve(&*full).unwrap();
    let ready = world.get("/readyz").await;
    assert_eq!(
        (ready.status, &ready.json()["queue"]),
        (503, &json!("full"))
    );
    drop((slot, jobs));
}

#[actix_web::test]
async fn a_failure_is_logged_with_its_request_id_and_its_causes_whatever_it_looks_like() {
    let log = Log::capture();
    let rotten = Failing(|| StoreError::corrupt("half a counter"));
    let world = world_over(|ports| ports.limiter = Arc::new(rotten), |_| {}).await;
    for path in ["/v1/phone-codes", "/auth/phone_code/send"] {
        let id = path.replace('/', "-");
        world.send(asking(path, &id)).await;
        let text = log.text();
        let line = text
            .lines()
            .find(|line| line.contains(&id))
            .unwrap_or_default();
        for part in [
            "ERROR",
            path,
            "unavailable",
            "rate_limits cannot answer",
            "half a counter",
        ] {
            assert!(line.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("13800138000"), "{text}");
    }
}

fn asking(path: &str, id: &str) -> TestRequest {
    let request = TestRequest::post().uri(path);
    let request = request.insert_header(("x-request-id", id));
    request.set_json(json!({"phone": PHONE}))
}

#[actix_web::test]
async fn an_outage_is_left_to_the_watch_to_tell() {
    let log = Log::capture();
    let public = world_over(|ports| ports.limiter = Arc::new(DOWN), |_| {}).await;
    for path in ["/v1/phone-codes", "/auth/phone_code/send"] {
        public.send(asking(path, "one")).await;
    }
    let ops = ops(|ports| ports.limiter = Arc::new(DOWN)).await;
    assert_eq!(ops.get("/readyz").await.status, 503);
    assert_eq!(log.text(), "");
}

#[actix_web::test]
async fn a_service_that_ends_is_not_ready_still_serves_and_closes_connections() {
    let (state, _jobs) = state(|_| {});
    state.ending.begin();
    let public = init_service(app(
        RequestIds::new(&SystemEntropy),
        public_routes(state.clone(), |_| {}),
    ));
    let request = TestRequest::get()
        .uri("/.well-known/jwks.json")
        .to_request();
    let served = public.await.call(request).await.unwrap();
    assert_eq!(served.status(), 200);
    assert!(served.response().head().connection_type() == actix_http::ConnectionType::Close);
    let ops = init_service(app(RequestIds::new(&SystemEntropy), ops_routes(state)));
    let ready = ops
        .await
        .call(TestRequest::get().uri("/readyz").to_request())
        .await
        .unwrap();
    assert_eq!(ready.status(), 503);
    let body = to_bytes(ready.into_body()).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["status"], "ending");
}

#[actix_web::test]
async fn requests_are_counted_by_route_and_never_by_path() {
    crate::telemetry::metrics().unwrap();
    let public = world(|_| {}).await;
    let id = format!("pc_{}", "ab".repeat(16));
    public.get(&format!("/v1/phone-codes/{id}")).await;
    public
        .send(TestRequest::with_uri("/v1/users/me").method("BREW".parse().unwrap()))
        .await;
    public.get("/+8613800138000").await;
    let text = ops(|_| {}).await.get("/metrics").await.text;
    let counted = [
        "{route=\"/v1/phone-codes/{id}\",method=\"GET\",status=\"404\"}",
        "{route=\"/v1/users/me\",method=\"other\",status=\"405\"}",
        "{route=\"none\",method=\"GET\",status=\"404\"}",
    ];
    for labels in counted {
        assert!(
            text.contains(&format!("phone_auth_http_requests_total{labels}")),
            "{text}"
        );
    }
    assert!(
        text.contains("phone_auth_http_request_duration_seconds_bucket"),
        "{text}"
    );
    assert!(
        !text.contains("13800138000") && !text.contains("BREW"),
        "{text}"
    );
}
