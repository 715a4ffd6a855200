//! The description of the API, made from the code, and the page that shows it.

pub(super) mod problems;

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Bytes, Data, Path, ServiceConfig, get};
use domain::auth::AuthError;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::Config;

use super::observe::resource;
use super::problem::{Problem, ProblemBody};
use super::{keys, short, v1};

/// The page loads nothing from elsewhere. Its widgets set inline styles and `data:` pictures.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(OpenApi)]
#[openapi(
    info(title = "phone-auth", description = include_str!("intro.md"), license(name = "Apache-2.0", identifier = "Apache-2.0")),
    paths(
        v1::phone_codes::ask, v1::phone_codes::status, v1::phone_codes::resend,
        v1::sessions::sign_in, v1::sessions::refresh, v1::sessions::current, v1::sessions::list,
        v1::sessions::sign_out, v1::sessions::sign_out_one, v1::sessions::sign_out_everywhere,
        v1::users::me, keys::keys,
        short::send, short::send_by_post, short::sign_in,
    ),
    components(schemas(ProblemBody<'_>, short::Envelope)),
    tags(
        (name = "Codes", description = "Text a code to a phone."),
        (name = "Sessions", description = "Sign in, stay signed in, sign out."),
        (name = "Users", description = "Who is signed in."),
        (name = "Keys", description = "For services that check access tokens themselves."),
        (name = "Short contract", description = "Two calls and no ids, always HTTP 200. An operator may switch it off."),
    ),
    modifiers(&Shared),
)]
struct Api;

/// What calls refer to: how somebody shows who is calling, and the problems.
struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut Document) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.bearer_format = Some("JWT".to_owned());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("access_token", SecurityScheme::Http(scheme));
        let problems = problems::components();
        components
            .responses
            .extend(problems.map(|(name, response)| (name, response.into())));
    }
}

/// The document, ready to be sent.
fn document() -> Bytes {
    // What derives made of strings and numbers always has a JSON form.
    Api::openapi()
        .to_pretty_json()
        .map(Bytes::from)
        .unwrap_or_default()
}

pub(super) fn configure(config: &mut ServiceConfig) {
    let document = document();
    let ui = Config::from("/openapi.json")
        .use_base_layout()
        .validator_url("none")
        .try_it_out_enabled(true);
    config
        .app_data(Data::new(Arc::new(ui)))
        .service(resource("/openapi.json").route(get().to(move || {
            let document = document.clone();
            async {
                HttpResponse::Ok()
                    .content_type("application/json")
                    .body(document)
            }
        })))
        .service(resource("/docs").route(get().to(page)))
        .service(resource("/docs/{file}").route(get().to(asset)));
}

async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .content_type("text/html; charset=utf-8")
        .body(include_str!("page.html"))
}

async fn asset(
    file: Path<String>,
    ui: Data<Arc<Config<'static>>>,
) -> Result<HttpResponse, Problem> {
    let found = utoipa_swagger_ui::serve(&file, Arc::clone(&ui))
        .map_err(|error| Problem::unavailable(error.to_string()))?;
    let file = found.ok_or(AuthError::NotFound)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=86400"))
        .content_type(file.content_type)
        .body(file.bytes.into_owned()))
}
