use serde_json::json;

use super::*;

#[actix_web::test]
async fn a_person_signs_in_stays_signed_in_and_signs_out() {
    let world = world(|_| {}).await;
    let asked = world
        .post(
            "/v1/phone-codes",
            &json!({"phone": "138 0013 8000", "locale": "zh-CN"}),
        )
        .await;
    assert_eq!(asked.status, 202, "{}", asked.text);
    let code = asked.json();
    assert_eq!(code["phone"], "+86138****8000");
    assert_eq!(
        (&code["status"], &code["code_length"]),
        (&json!("queued"), &json!(6))
    );
    let id = code["id"].as_str().unwrap();
    assert_eq!(
        world.get(&format!("/v1/phone-codes/{id}")).await.json()["id"],
        id
    );
    let resent = world
        .post(&format!("/v1/phone-codes/{id}/resend"), &json!({}))
        .await;
    assert_eq!((resent.status, &resent.json()["id"]), (202, &code["id"]));

    let wrong = world
        .post("/v1/sessions", &json!({"phone_code_id": id, "code": WRONG}))
        .await;
    assert_eq!(wrong.problem(), (403, "code_incorrect".into()));
    assert_eq!(wrong.json()["attempts_remaining"], 4);

    let agent = ("user-agent", "test/1.0");
    let right = TestRequest::post().uri("/v1/sessions").insert_header(agent);
    let signed_in = world
        .send(right.set_json(json!({"phone_code_id": id, "code": CODE})))
        .await;
    assert_eq!(signed_in.status, 201, "{}", signed_in.text);
    let tokens = signed_in.json();
    assert_eq!(
        (&tokens["token_type"], &tokens["expires_in"]),
        (&json!("Bearer"), &json!(300))
    );
    assert_eq!(
        (&tokens["refresh_expires_in"], &tokens["new_user"]),
        (&json!(86_400), &json!(true))
    );
    assert_eq!(tokens["user"]["phone"], PHONE);
    let session = &tokens["session"];
    assert_eq!(
        (&session["user_agent"], &session["ip"]),
        (&json!("test/1.0"), &json!("192.0.2.1"))
    );
    assert_eq!(session["current"], true);

    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    let renewed = world.post("/v1/sessions/refresh", &refresh).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text);
    let access = renewed.json()["access_token"].as_str().unwrap().to_owned();
    let current = world
        .with_token("GET", "/v1/sessions/current", &access)
        .await;
    assert_eq!(
        (current.status, &current.json()["id"]),
        (200, &session["id"])
    );
    let me = world.with_token("GET", "/v1/users/me", &access).await;
    assert_eq!((me.status, me.json()), (200, tokens["user"].clone()));
    let list = world
        .with_token("GET", "/v1/sessions", &access)
        .await
        .json();
    assert_eq!(list["sessions"].as_array().map(Vec::len), Some(1));

    let other = format!("/v1/sessions/ses_{}", "0".repeat(32));
    for path in [other.as_str(), "/v1/sessions/nothing"] {
        let absent = world.with_token("DELETE", path, &access).await;
        assert_eq!(absent.problem(), (404, "not_found".into()), "{path}");
    }
    let gone = world
        .with_token("DELETE", "/v1/sessions/current", &access)
        .await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    let refused = world
        .with_token("GET", "/v1/sessions/current", &access)
        .await;
    assert_eq!(refused.problem(), (401, "unauthenticated".into()));
}

#[actix_web::test]
async fn each_way_to_sign_out_ends_the_session() {
    let world = world(|_| {}).await;
    for way in ["/v1/sessions/current", "/v1/sessions/{id}", "/v1/sessions"] {
        let code = world
            .post("/v1/phone-codes", &json!({"phone": PHONE}))
            .await
            .json();
        let body = json!({"phone_code_id": code["id"], "code": CODE});
        let tokens = world.post("/v1/sessions", &body).await.json();
        let access = tokens["access_token"].as_str().unwrap();
        let path = way.replace("{id}", tokens["session"]["id"].as_str().unwrap());
        assert_eq!(
            world.with_token("DELETE", &path, access).await.status,
            204,
            "{way}"
        );
        assert_eq!(
            world.with_token("GET", "/v1/users/me", access).await.status,
            401,
            "{way}"
        );
    }
}

#[actix_web::test]
async fn a_call_without_a_valid_token_is_challenged() {
    let world = world(|_| {}).await;
    let calls = [
        ("GET", "/v1/sessions/current"),
        ("GET", "/v1/sessions"),
        ("GET", "/v1/users/me"),
        ("DELETE", "/v1/sessions/current"),
        ("DELETE", "/v1/sessions"),
    ];
    for (method, path) in calls {
        for token in ["", "x", "a.b.c"] {
            let answer = world.with_token(method, path, token).await;
            assert_eq!(
                answer.problem(),
                (401, "unauthenticated".into()),
                "{method} {path}"
            );
            let challenge = answer.headers.get("www-authenticate").unwrap();
            assert_eq!(challenge, "Bearer error=\"invalid_token\"");
        }
    }
}

#[actix_web::test]
async fn what_cannot_be_done_is_told_by_its_code() {
    let world = world(|_| {}).await;
    let cases = [
        (
            "/v1/phone-codes",
            json!({"phone": "12"}),
            422,
            "phone_invalid",
        ),
        (
            "/v1/phone-codes",
            json!({"phone": "+12025550123"}),
            422,
            "phone_not_allowed",
        ),
        (
            "/v1/phone-codes",
            json!({"phone": 13_800_138_000_u64}),
            400,
            "malformed_request",
        ),
        (
            "/v1/phone-codes/nothing/resend",
            json!({}),
            403,
            "code_gone",
        ),
        (
            "/v1/sessions",
            json!({"phone_code_id": "nothing", "code": WRONG}),
            403,
            "code_gone",
        ),
        (
            "/v1/sessions",
            json!({"phone_code_id": "nothing", "code": "+12345"}),
            400,
            "malformed_request",
        ),
        (
            "/v1/sessions",
            json!({"phone_code_id": "nothing", "code": "١٢٣٤٥٦"}),
            400,
            "malformed_request",
        ),
        (
            "/v1/sessions/refresh",
            json!({"refresh_token": "nothing"}),
            401,
            "refresh_rejected",
        ),
    ];
    for (path, body, status, code) in cases {
        let answer = world.post(path, &body).await;
        assert_eq!(answer.problem(), (status, code.into()), "{path} {body}");
        assert!(
            !answer.text.contains("13800138000") && !answer.text.contains("12345"),
            "{}",
            answer.text
        );
    }
    let answer = world.get("/v1/phone-codes/nothing").await;
    assert_eq!(answer.problem(), (404, "not_found".into()));
}

#[actix_web::test]
async fn the_same_idempotency_key_gets_the_same_code_and_another_body_a_conflict() {
    let world = world(|_| {}).await;
    let ask = async |phone: &str| {
        let request = TestRequest::post().uri("/v1/phone-codes");
        let request = request.insert_header(("idempotency-key", "my-key"));
        world.send(request.set_json(json!({"phone": phone}))).await
    };
    let first = ask(PHONE).await;
    assert_eq!(ask(PHONE).await.json()["id"], first.json()["id"]);
    assert_eq!(
        ask("+8613800138001").await.problem(),
        (409, "idempotency_conflict".into())
    );
}

#[actix_web::test]
async fn a_limit_is_told_with_its_wait_and_only_the_callers_own_by_name() {
    let world = world(|_| {}).await;
    for _ in 0..20 {
        assert_eq!(
            world
                .post("/v1/phone-codes", &json!({"phone": PHONE}))
                .await
                .status,
            202
        );
    }
    let limited = world
        .post("/v1/phone-codes", &json!({"phone": PHONE}))
        .await;
    assert_eq!(limited.problem(), (429, "rate_limited".into()));
    assert_eq!(limited.json()["scope"], "sends_per_address");
    let wait = limited.json()["retry_after"].as_u64().unwrap();
    assert!((3590..=3600).contains(&wait), "{wait}");
    assert_eq!(
        limited
            .headers
            .get("retry-after")
            .unwrap()
            .to_str()
            .unwrap(),
        wait.to_string()
    );
    // Somebody else's address, vouched for by nobody, is no way around it.
    let spoofed = TestRequest::post()
        .uri("/v1/phone-codes")
        .set_json(json!({"phone": PHONE}));
    let spoofed = spoofed.insert_header(("x-forwarded-for", "198.51.100.7"));
    assert_eq!(world.send(spoofed).await.status, 429);
}

#[actix_web::test]
async fn a_store_that_is_down_is_a_503_that_tells_nothing() {
    let world = world_over(|ports| ports.limiter = Arc::new(DOWN), |_| {}).await;
    let answer = world
        .post("/v1/phone-codes", &json!({"phone": PHONE}))
        .await;
    assert_eq!(answer.problem(), (503, "unavailable".into()));
    assert_eq!(answer.headers.get("retry-after").unwrap(), "2");
    assert!(!answer.text.contains("limits"), "{}", answer.text);
    let detail = &answer.json()["detail"];
    assert!(detail.as_str().unwrap().contains("may have taken effect"));
    let fail = world
        .post("/auth/phone_code/send", &json!({"phone": PHONE}))
        .await;
    assert_eq!(
        (fail.status, fail.json()),
        (200, json!({"code": 1, "msg": "fail"}))
    );
}

#[actix_web::test]
async fn the_address_of_a_session_is_the_one_that_a_trusted_proxy_vouches_for() {
    let world = world(|state| {
        let networks = vec!["192.0.2.0/24".parse().unwrap()];
        state.trusted_proxies = TrustedProxies::new(networks);
    })
    .await;
    let code = world
        .post("/v1/phone-codes", &json!({"phone": PHONE}))
        .await
        .json();
    let request = TestRequest::post().uri("/v1/sessions");
    let request = request.insert_header(("x-forwarded-for", "6.6.6.6, ::ffff:198.51.100.7"));
    let body = json!({"phone_code_id": code["id"], "code": CODE});
    let session = world.send(request.set_json(body)).await.json()["session"].clone();
    assert_eq!(
        (&session["ip"], &session["user_agent"]),
        (&json!("198.51.100.7"), &Value::Null)
    );
}

#[actix_web::test]
async fn the_keys_are_public_and_may_be_kept_for_a_while() {
    let answer = world(|_| {}).await.get("/.well-known/jwks.json").await;
    assert_eq!(
        answer.headers.get("cache-control").unwrap(),
        "public, max-age=300"
    );
    let key = answer.json()["keys"][0].clone();
    assert_eq!(
        (&key["kty"], &key["alg"], &key["use"]),
        (&json!("OKP"), &json!("EdDSA"), &json!("sig"))
    );
    assert!(key.get("d").is_none() && key.get("y").is_none(), "{key}");
}
