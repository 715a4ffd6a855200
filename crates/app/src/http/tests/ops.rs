use parking_lot::Mutex;
use serde_json::json;

use super::*;

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
    let world = ops(|ports| ports.limiter = Arc::new(Down)).await;
    assert_eq!(world.get("/healthz").await.status, 200);
    let ready = world.get("/readyz").await;
    let parts = json!({"status": "not_ready", "codes": "up", "rate_limits": "down",
        "sessions": "up", "users": "up", "queue": "up"});
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

/// What is logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[actix_web::test]
async fn a_failure_is_logged_with_its_request_id_and_its_causes_whatever_it_looks_like() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone());
    let _logging = tracing::subscriber::set_default(subscriber.finish());
    let world = world_over(|ports| ports.limiter = Arc::new(Down), |_| {}).await;
    for path in ["/v1/phone-codes", "/auth/phone_code/send"] {
        let id = path.replace('/', "-");
        let request = TestRequest::post()
            .uri(path)
            .insert_header(("x-request-id", id.as_str()));
        world.send(request.set_json(json!({"phone": PHONE}))).await;
        let text = String::from_utf8(log.0.lock().clone()).unwrap();
        let line = text
            .lines()
            .find(|line| line.contains(&id))
            .unwrap_or_default();
        for part in [
            "ERROR",
            path,
            "unavailable",
            "rate_limits cannot answer",
            "limits are down",
        ] {
            assert!(line.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("13800138000"), "{text}");
    }
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
