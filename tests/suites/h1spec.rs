//! The 33 cases of [h1spec](https://github.com/uNetworking/h1spec) (commit f0a5650), by their names, in front of an
//! app that echoes. Stricter than there in two ways: a head that had to wait is completed afterwards and must be
//! answered, and an answer must be the one of Heroku's router where h1spec leaves a choice.

use super::app;
use super::stand::{PATIENCE, Stand, route};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a server must wait for the rest of a head: as long as in h1spec.
const WAITS: Duration = Duration::from_millis(500);

async fn connect(stand: &Stand) -> TcpStream {
    TcpStream::connect(stand.http).await.unwrap()
}

/// The head and the body of the next answer; its body has the length it says.
async fn read(client: &mut TcpStream) -> (String, String) {
    let mut bytes = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let (head, body) = (text(&bytes[..end]), &bytes[end + 4..]);
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() == length.map_or(0, |length| length.parse().unwrap()) {
                return (head, text(body));
            }
        }
        let n = timeout(PATIENCE, client.read_buf(&mut bytes)).await.expect("an answer").unwrap();
        assert!(n > 0, "closed after {:?}", text(&bytes));
    }
}

/// Nothing is answered to the part, and the rest is still waited for.
async fn waits(part: &str) {
    let whole = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let rest = whole.strip_prefix(part).expect("it is the beginning of a request");
    let stand = Stand::start(vec![route("shop", Some(app::serve().await))]).await;
    let mut client = connect(&stand).await;
    client.write_all(part.as_bytes()).await.unwrap();
    let early = timeout(WAITS, client.read_u8()).await;
    assert!(early.is_err(), "answered too early: {early:?}");
    client.write_all(rest.as_bytes()).await.unwrap();
    let (head, _) = read(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

/// Answered with this status and, unless it is refused, this body; a refusal closes the connection.
async fn answers(request: &str, status: u16, body: &str) {
    let stand = Stand::start(vec![route("shop", Some(app::serve().await))]).await;
    let mut client = connect(&stand).await;
    client.write_all(request.as_bytes()).await.unwrap();
    let (head, got) = read(&mut client).await;
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    if status == 200 {
        assert_eq!(got, body);
    } else {
        let mut rest = Vec::new();
        timeout(PATIENCE, client.read_to_end(&mut rest)).await.expect("the connection is closed").unwrap();
        assert_eq!(rest, b"");
    }
}

macro_rules! cases {
    ($($name:ident: $check:ident($($argument:expr),+);)+) => {
        $(#[tokio::test]
        async fn $name() {
            $check($($argument),+).await;
        })+
    };
}

cases! {
    fragmented_method: waits("G");
    fragmented_url_1: waits("GET ");
    fragmented_url_2: waits("GET /hello");
    fragmented_url_3: waits("GET /hello ");
    fragmented_http_version: waits("GET /hello HTTP");
    fragmented_request_line: waits("GET /hello HTTP/1.1");
    fragmented_request_line_newline_1: waits("GET /hello HTTP/1.1\r");
    fragmented_request_line_newline_2: waits("GET /hello HTTP/1.1\r\n");
    fragmented_field_name: waits("GET /hello HTTP/1.1\r\nHos");
    fragmented_field_value_1: waits("GET /hello HTTP/1.1\r\nHost:");
    fragmented_field_value_2: waits("GET /hello HTTP/1.1\r\nHost: ");
    fragmented_field_value_3: waits("GET /hello HTTP/1.1\r\nHost: localhost");
    fragmented_field_value_4: waits("GET /hello HTTP/1.1\r\nHost: localhost\r");
    fragmented_request: waits("GET /hello HTTP/1.1\r\nHost: localhost\r\n");
    fragmented_request_termination: waits("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r");
    request_without_http_version: answers("GET / \r\n\r\n", 400, "");
    // Without a body there is nothing to wait for: no 100, which h1spec allows.
    request_with_expect_header:
        answers("GET / HTTP/1.1\r\nHost: example.com\r\nExpect: 100-continue\r\n\r\n", 200, "");
    valid_get_request: answers("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", 200, "");
    valid_get_request_with_edge_cases: answers("GET / HTTP/1.1\r\nhoSt:\texample.com\r\nempty:\r\n\r\n", 200, "");
    invalid_header_characters:
        answers("GET / HTTP/1.1\r\nHost: example.com\r\nX-Invalid[]: test\r\n\r\n", 400, "");
    missing_host_header: answers("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", 400, "");
    multiple_host_headers:
        answers("GET / HTTP/1.1\r\nHost: example.com\r\nHost: example.org\r\n\r\n", 400, "");
    overflowing_negative_content_length_header: answers(
        "GET / HTTP/1.1\r\nHost: example.com\r\nContent-Length: -123456789123456789123456789\r\n\r\n", 400, "");
    negative_content_length_header:
        answers("GET / HTTP/1.1\r\nHost: example.com\r\nContent-Length: -1234\r\n\r\n", 400, "");
    non_numeric_content_length_header:
        answers("GET / HTTP/1.1\r\nHost: example.com\r\nContent-Length: abc\r\n\r\n", 400, "");
    empty_header_value: answers("GET / HTTP/1.1\r\nHost: example.com\r\nX-Empty-Header: \r\n\r\n", 200, "");
    header_containing_invalid_control_character:
        answers("GET / HTTP/1.1\r\nHost: example.com\r\nX-Bad-Control-Char: test\x07\r\n\r\n", 400, "");
    invalid_http_version: answers("GET / HTTP/9.9\r\nHost: example.com\r\n\r\n", 505, "");
    invalid_prefix_of_request: answers("Extra lineGET / HTTP/1.1\r\nHost: example.com\r\n\r\n", 400, "");
    invalid_line_ending:
        answers("GET / HTTP/1.1\r\nHost: example.com\r\n\rSome-Header: Test\r\n\r\n", 400, "");
    valid_post_request_with_body:
        answers("POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello", 200, "hello");
    chunked_transfer_encoding: answers(
        "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\nc\r\nHellO world1\r\n0\r\n\r\n",
        200, "HellO world1");
    conflicting_transfer_encoding_and_content_length_in_varying_case: answers(
        "POST / HTTP/1.1\r\nHost: example.com\r\ncontent-LengtH: 5\r\nTransFer-Encoding: chunked\r\n\r\nc\r\n\
         HellO world1\r\n0\r\n\r\n",
        200, "HellO world1");
}
