//! Answers as Heroku gives them.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::Response;
use serde_json::{Value, json};
use std::io;

pub(super) type Body = BoxBody<Bytes, io::Error>;
pub(super) type Answer = Response<Body>;

pub(super) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

pub(super) fn json(status: u16, value: &Value) -> Answer {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("request-id", "5b3a0001-0000-4000-8000-000000000000,9c1f0002-0000-4000-8000-000000000000")
        .header("ratelimit-remaining", "4499")
        .body(whole(value.to_string()))
        .unwrap()
}

pub(super) fn refuse(status: u16, id: &str, message: &str) -> Answer {
    json(status, &json!({"id": id, "message": message}))
}

pub(super) fn missing(what: &str) -> Answer {
    let body = json!({"id": "not_found", "message": format!("Couldn't find that {what}."), "resource": what});
    json(404, &body)
}
