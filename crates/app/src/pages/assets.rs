//! The files that pages need, compiled into the binary. The path carries a digest of the content,
//! so that a browser keeps a file for as long as it likes and never shows a stale one.

use std::sync::OnceLock;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpResponse, web};
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;

use crate::http::observe::resource;

pub(super) struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: &'static str,
    path: OnceLock<String>,
}

pub(super) static STYLE: Asset = Asset::new(
    "app.css",
    "text/css; charset=utf-8",
    include_str!("../../assets/app.css"),
);
pub(super) static SCRIPT: Asset = Asset::new(
    "app.js",
    "text/javascript; charset=utf-8",
    include_str!("../../assets/app.js"),
);
pub(super) static MARK: Asset = Asset::new(
    "mark.svg",
    "image/svg+xml",
    include_str!("../../assets/mark.svg"),
);

impl Asset {
    const fn new(name: &'static str, media_type: &'static str, content: &'static str) -> Self {
        Self {
            name,
            media_type,
            content,
            path: OnceLock::new(),
        }
    }

    pub(super) fn path(&'static self) -> &'static str {
        self.path.get_or_init(|| {
            let hash = digest(&SHA256, self.content.as_bytes());
            format!(
                "/assets/{}/{}",
                HEXLOWER.encode(&hash.as_ref()[..8]),
                self.name
            )
        })
    }

    async fn serve(&'static self) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, self.media_type))
            .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(self.content)
    }
}

pub(super) fn configure(config: &mut web::ServiceConfig) {
    for asset in [&STYLE, &SCRIPT, &MARK] {
        config.service(resource(asset.path()).get(move || asset.serve()));
    }
}
