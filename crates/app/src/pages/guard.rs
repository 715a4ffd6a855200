//! What keeps foreign sites out of the forms, and out of where a form leads.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, HeaderMap, ORIGIN, REFERER};
use actix_web::http::uri::Authority;

/// Longest return address, in bytes.
const MAX_RETURN_ADDRESS: usize = 512;

/// Whether a form was sent by a page of `origin`. Browsers say so in one of three headers, none of
/// which a page can forge; a request without any is not taken for one of ours.
pub(super) fn is_from(request: &HttpRequest, origin: &str) -> bool {
    let headers = request.headers();
    if headers.contains_key(ORIGIN) {
        return every(headers, "origin", |value| value == origin);
    }
    if headers.contains_key("sec-fetch-site") {
        // `none` is a person's own doing, such as sending a form again from the history.
        return every(headers, "sec-fetch-site", |value| {
            matches!(value, "same-origin" | "none")
        });
    }
    headers.contains_key(REFERER) && every(headers, "referer", |value| is_under(value, origin))
}

fn every(headers: &HeaderMap, name: &str, holds: impl Fn(&str) -> bool) -> bool {
    headers
        .get_all(name)
        .all(|value| value.to_str().is_ok_and(&holds))
}

fn is_under(address: &str, origin: &str) -> bool {
    address
        .strip_prefix(origin)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a request from this machine was made for it too: not passed on by a tunnel or a proxy,
/// and not by a page whose own name was pointed at this machine (DNS rebinding).
pub(super) fn is_near(request: &HttpRequest) -> bool {
    let passed_on = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];
    let direct = !passed_on
        .iter()
        .any(|name| request.headers().contains_key(*name));
    let host = request.headers().get(HOST);
    let named = host.is_none_or(|host| host.to_str().is_ok_and(names_this_machine));
    direct && named
}

fn names_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host().trim_matches(['[', ']']);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The address if it is a path on this site, else nothing.
///
/// `//evil` names another host; browsers read a backslash as a slash and drop tabs and line ends,
/// so none of these may stand in it.
pub(super) fn return_address(text: &str) -> Option<&str> {
    let mut bytes = text.bytes();
    let local = bytes.next() == Some(b'/') && bytes.next() != Some(b'/');
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (local && plain && text.len() <= MAX_RETURN_ADDRESS).then_some(text)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const HERE: &str = "https://login.example.com";

    fn ours(headers: &[(&str, &str)]) -> bool {
        let mut request = TestRequest::post();
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        is_from(&request.to_http_request(), HERE)
    }

    #[test]
    fn a_form_of_our_own_page_is_taken() {
        assert!(ours(&[("origin", HERE)]));
        assert!(ours(&[("origin", HERE), ("sec-fetch-site", "same-origin")]));
        assert!(ours(&[("sec-fetch-site", "same-origin")]));
        assert!(ours(&[("sec-fetch-site", "none")]));
        assert!(ours(&[("referer", HERE)]));
        assert!(ours(&[(
            "referer",
            "https://login.example.com/login?step=code"
        )]));
    }

    #[test]
    fn a_form_of_another_origin_or_of_nobody_is_refused() {
        for origin in [
            "null",
            "",
            "https://evil.example",
            "http://login.example.com",
            "https://login.example.com:8443",
            "https://login.example.com/",
            "https://login.example.com.evil.example",
            "https://LOGIN.example.com",
        ] {
            assert!(!ours(&[("origin", origin)]), "{origin}");
            assert!(
                !ours(&[("origin", origin), ("sec-fetch-site", "same-origin")]),
                "{origin}"
            );
        }
        assert!(!ours(&[
            ("origin", HERE),
            ("origin", "https://evil.example")
        ]));
        assert!(!ours(&[("sec-fetch-site", "same-site"), ("referer", HERE)]));
        assert!(!ours(&[("sec-fetch-site", "cross-site")]));
        assert!(!ours(&[(
            "referer",
            "https://login.example.com.evil.example/"
        )]));
        assert!(!ours(&[(
            "referer",
            "https://login.example.com@evil.example/"
        )]));
        assert!(!ours(&[]));
    }

    #[test]
    fn near_is_a_request_to_this_machine_that_nobody_passed_on() {
        let near = |name: &str, value: &str| {
            is_near(
                &TestRequest::get()
                    .insert_header((name, value))
                    .to_http_request(),
            )
        };
        for host in [
            "localhost:8080",
            "LOCALHOST",
            "127.0.0.1:8080",
            "[::1]:8080",
        ] {
            assert!(near("host", host), "{host}");
        }
        for host in [
            "evil.example:8080",
            "localhost.evil.example",
            "192.0.2.1",
            "",
        ] {
            assert!(!near("host", host), "{host}");
        }
        for name in ["forwarded", "via", "x-forwarded-for", "x-real-ip"] {
            assert!(!near(name, "127.0.0.1"), "{name}");
        }
    }

    #[test]
    fn only_a_path_on_this_site_is_a_return_address() {
        for good in ["/", "/home", "/a/b?c=d&e=/f#g", "/a//b", "/%2F/evil"] {
            assert_eq!(return_address(good), Some(good));
        }
        for bad in [
            "",
            "home",
            "//evil",
            "///evil",
            "/\\evil",
            "/a\\b",
            "\\/evil",
            "/\t/evil",
            "/\n/evil",
            "/a\r\nset-cookie: x=y",
            "/\0",
            "https://evil.example",
            "javascript:alert(1)",
            " /home",
            "/ho me",
            "/\u{e9}",
        ] {
            assert_eq!(return_address(bad), None, "{bad:?}");
        }
        let long = format!("/{}", "a".repeat(MAX_RETURN_ADDRESS));
        assert_eq!(return_address(&long), None);
        assert_eq!(return_address(&long[1..]), None);
        assert!(return_address(&long[..MAX_RETURN_ADDRESS]).is_some());
    }
}
