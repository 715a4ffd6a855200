use actix_web::ResponseError;
use actix_web::test::TestRequest;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(deserialize_with = "text")]
    phone: String,
    #[serde(default, deserialize_with = "optional_text")]
    locale: Option<String>,
}

async fn read(request: TestRequest) -> Result<Form, (u16, serde_json::Value)> {
    let (request, mut payload) = request.to_http_parts();
    let answer = JsonBody::<Form>::from_request(&request, &mut payload).await;
    answer.map(|body| body.0).map_err(|problem| {
        (
            problem.status_code().as_u16(),
            serde_json::from_slice(&problem.to_json()).unwrap(),
        )
    })
}

fn post(content_type: &str, body: impl Into<actix_web::web::Bytes>) -> TestRequest {
    TestRequest::post()
        .insert_header(("content-type", content_type))
        .set_payload(body)
}

#[actix_web::test]
async fn a_json_object_is_read_whatever_the_parameters_of_its_type() {
    let plain = Form {
        phone: "1".into(),
        locale: None,
    };
    let types = [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON ;a=b",
    ];
    for content_type in types {
        let body = read(post(content_type, " {\"phone\": \"1\"} "))
            .await
            .unwrap();
        assert_eq!(body, plain, "{content_type}");
    }
}

#[actix_web::test]
async fn a_body_of_another_form_is_malformed_and_names_the_field() {
    let deep = format!("{{\"phone\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let deep_elsewhere = format!("{{\"phone\":\"1\",\"x\":{}", "{\"x\":".repeat(200));
    let cases: [(&[u8], Option<&str>); 26] = [
        (b"", None),
        (b"null", None),
        (b"\"phone\"", None),
        (b"[\"1\"]", None),
        (b"[{\"phone\":\"1\"}]", None),
        (b"{\"phone\":\"1\"", None),
        (b"{\"phone\":\"1\"}{}", None),
        (b"{\"phone\":\"1\"},", None),
        (b"\xef\xbb\xbf{\"phone\":\"1\"}", None),
        (b"{'phone':'1'}", None),
        (b"{\"phone\":\"1\",}", None),
        (b"{}", Some("phone")),
        (b"{\"phone\":null}", Some("phone")),
        (b"{\"phone\":13800138000}", Some("phone")),
        (b"{\"phone\":true}", Some("phone")),
        (b"{\"phone\":[\"1\"]}", Some("phone")),
        (b"{\"phone\":\"1\",\"phone\":\"1\"}", Some("phone")),
        (b"{\"phone\":\"1\",\"Phone\":\"1\"}", None),
        (b"{\"phone\":\"1\",\"extra\":\"1\"}", Some("extra")),
        (b"{\"phone\":\"1\",\"+8613800138000\":\"1\"}", None),
        (b"{\"phone\":\"1\",\"locale\":null}", Some("locale")),
        (b"{\"phone\":\"a\\u0000b\"}", Some("phone")),
        (b"{\"phone\":\"a\\r\\nb\"}", Some("phone")),
        (b"{\"phone\":\"\\ud800\"}", Some("phone")),
        (b"{\"phone\":\"\xff\"}", Some("phone")),
        (deep.as_bytes(), Some("phone")),
    ];
    for (body, field) in cases {
        let shown = String::from_utf8_lossy(body).into_owned();
        let (status, problem) = read(post("application/json", body.to_vec()))
            .await
            .unwrap_err();
        assert_eq!(
            (status, problem["code"].as_str()),
            (400, Some("malformed_request")),
            "{shown}"
        );
        assert_eq!(problem["field"].as_str(), field, "{shown}");
        assert!(!problem.to_string().contains("13800138000"), "{problem}");
    }
    let (status, _) = read(post("application/json", deep_elsewhere))
        .await
        .unwrap_err();
    assert_eq!(status, 400);
}

#[actix_web::test]
async fn a_type_that_is_not_json_and_any_encoding_are_unsupported() {
    let object = "{\"phone\":\"1\"}";
    for content_type in [
        "text/plain",
        "",
        "application/jsonx",
        "text/json",
        "application/problem+json",
    ] {
        let (status, problem) = read(post(content_type, object)).await.unwrap_err();
        assert_eq!(
            (status, &problem["field"]),
            (415, &"content-type".into()),
            "{content_type}"
        );
    }
    let bare = TestRequest::post().set_payload(object);
    assert_eq!(read(bare).await.unwrap_err().0, 415);
    for encoding in ["gzip", "br", "deflate", "zstd", "identity", ""] {
        let request =
            post("application/json", object).insert_header(("content-encoding", encoding));
        let (status, problem) = read(request).await.unwrap_err();
        assert_eq!(
            (status, &problem["field"]),
            (415, &"content-encoding".into()),
            "{encoding}"
        );
    }
}

#[actix_web::test]
async fn a_body_of_4096_bytes_is_read_and_one_more_is_too_large() {
    let body = |len: usize| format!("{{\"phone\":\"{}\"}}", "1".repeat(len - 12));
    assert_eq!(
        read(post("application/json", body(4096)))
            .await
            .unwrap()
            .phone
            .len(),
        4084
    );
    let (status, problem) = read(post("application/json", body(4097)))
        .await
        .unwrap_err();
    assert_eq!(
        (status, problem["code"].as_str()),
        (413, Some("malformed_request"))
    );
    let announced = TestRequest::post()
        .insert_header(("content-type", "application/json"))
        .insert_header(("content-length", "1048576"));
    assert_eq!(read(announced).await.unwrap_err().0, 413);
}
