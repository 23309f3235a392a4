//! Where a program's own source listens: its calls that do, and what they are told in so many words.

use super::command::has_extension;
use super::folder::Content;
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

/// Nobody writes as many listening calls, or as much text before the last place that counts in one.
const MOST_CALLS: usize = 50;
const MOST_BYTES: usize = 16 * 1024;

static CALL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(\.listen|(?-u:\b)(?:app|application|socketio|uvicorn)\.run|(?-u:\b)run_app|HTTPServer|TCPServer|(?-u:\b)serve)\(",
    )
    .ok()
});

static SINATRA: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^[ \t]*set[ \t]+:port,[ \t]*([0-9]{2,5})(?-u:\b)").ok());

/// A value that stands there as it is: a number, or the inside of quotes.
pub(super) struct Plain {
    pub(super) span: Range<usize>,
    /// The constant that holds it.
    pub(super) constant: Option<String>,
}

/// A call that listens.
struct Call {
    at: usize,
    host: Option<Plain>,
    port: Option<Plain>,
    /// It is handed a server of the same program, which another call of it tells where to listen.
    handed: bool,
}

/// The port that a program's own file surely listens on: the only listening call, with a number in it.
pub(super) fn find_listen(content: &Content) -> Option<(Plain, u16)> {
    let text = &content.file.text;
    let mut ports: Vec<Plain> = calls(content)?.into_iter().filter_map(|call| call.port).collect();
    let set = SINATRA.as_ref()?.captures_iter(text).filter_map(|found| found.get(1));
    ports.extend(set.map(|number| Plain { span: number.range(), constant: None }));
    let number = ports.pop().filter(|_| ports.is_empty())?;
    let port = text[number.span.clone()].parse().ok()?;
    Some((number, port))
}

/// The loopback address in the only call of a program that listens, where no condition decides whether it is made.
pub(super) fn find_loopback(content: &Content) -> Option<Range<usize>> {
    let text = &content.file.text;
    let mut calls: Vec<Call> = calls(content)?.into_iter().filter(|call| !call.handed).collect();
    let call = calls.pop().filter(|_| calls.is_empty())?;
    let host = call.host?.span;
    let loopback = ["127.0.0.1", "localhost"].contains(&&text[host.clone()]);
    (loopback && !is_conditional(text, call.at, is_indented(content))).then_some(host)
}

/// Whether blocks are told by how far lines stand in, and comments begin with `#`.
fn is_indented(content: &Content) -> bool {
    has_extension(&content.path, "py") || has_extension(&content.path, "rb")
}

/// All calls that listen; `None` where there are too many to tell.
fn calls(content: &Content) -> Option<Vec<Call>> {
    let text = &content.file.text;
    let hash = is_indented(content);
    let mut found = Vec::new();
    for one in CALL.as_ref()?.captures_iter(text) {
        let (whole, name) = (one.get(0)?, one.get(1)?.as_str());
        let line = text[..whole.start()].rfind('\n').map_or(0, |at| at + 1);
        if text[line..whole.start()].contains(['/', '#', '*']) {
            continue;
        }
        if found.len() == MOST_CALLS {
            return None;
        }
        found.push(call(text, name, whole.start(), whole.end(), hash));
    }
    Some(found)
}

fn call(text: &str, name: &str, at: usize, start: usize, hash: bool) -> Call {
    let args = parts(text, start, hash);
    let object = args.iter().find(|arg| text[(*arg).clone()].starts_with('{'));
    let keyed = |names: &[&str]| -> Option<Plain> {
        let (of, sign) = match object {
            Some(object) => (parts(text, object.start + 1, hash), ':'),
            None => (args.clone(), '='),
        };
        of.into_iter().find_map(|part| {
            let (key, _) = text[part.clone()].split_once(sign).unwrap_or((&text[part.clone()], ""));
            let value = trimmed(text, (part.start + key.len() + 1).min(part.end)..part.end);
            let short = value.is_empty() && object.is_some();
            names.contains(&key.trim()).then(|| plain(text, if short { part } else { value })).flatten()
        })
    };
    let placed = |number: usize| args.get(number).and_then(|arg| plain(text, arg.clone()));
    let mut handed = false;
    let (host, port) = match name {
        ".listen" if object.is_none_or(|object| args.first() != Some(object)) => {
            let first = args.first().map_or("", |arg| &text[arg.clone()]).to_ascii_lowercase();
            handed = ["server", "http", "app"].iter().any(|word| first.ends_with(word));
            (placed(1), placed(0))
        }
        "HTTPServer" | "TCPServer" => match args.first().filter(|arg| text[(*arg).clone()].starts_with('(')) {
            Some(pair) => {
                let mut pair = parts(text, pair.start + 1, hash).into_iter();
                let host = pair.next().and_then(|host| plain(text, host));
                (host, pair.next().and_then(|port| plain(text, port)))
            }
            None => (None, None),
        },
        _ => (keyed(&["host", "hostname"]), keyed(&["port"])),
    };
    let is_number = |one: &Plain| text[one.span.clone()].bytes().all(|byte| byte.is_ascii_digit());
    Call { at, host, port: port.filter(is_number), handed }
}

/// The pieces between the commas of a bracket that opens just before `start`, without space around them.
fn parts(text: &str, start: usize, hash: bool) -> Vec<Range<usize>> {
    let bytes = &text.as_bytes()[..text.len().min(start.saturating_add(MOST_BYTES))];
    let (mut at, mut from, mut depth) = (start, start, 0_usize);
    let mut quote = None;
    let mut found = Vec::new();
    while let Some(byte) = bytes.get(at).copied() {
        let rest = bytes.get(at..).unwrap_or_default();
        let past = |end: &[u8]| rest.windows(end.len()).position(|here| here == end).unwrap_or(rest.len());
        match (quote, byte) {
            (Some(_), b'\\') => at += 1,
            (Some(open), _) if open == byte => quote = None,
            (None, b'\'' | b'"' | b'`') => quote = Some(byte),
            (None, b'#') if hash => at += past(b"\n"),
            (None, b'/') if !hash && rest.starts_with(b"//") => at += past(b"\n"),
            (None, b'/') if !hash && rest.starts_with(b"/*") => at += past(b"*/") + 1,
            (None, b'(' | b'[' | b'{') => depth += 1,
            (None, b')' | b']' | b'}' | b',') if depth == 0 => {
                found.push(trimmed(text, from..at));
                if byte != b',' {
                    return found;
                }
                from = at + 1;
            }
            (None, b')' | b']' | b'}') => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    found
}

fn trimmed(text: &str, span: Range<usize>) -> Range<usize> {
    let piece = &text[span.clone()];
    let start = span.start + (piece.len() - piece.trim_start().len());
    start..start + piece.trim().len()
}

/// What an expression is, where it is a number, a text in quotes, or a constant of the file that is one of them.
fn plain(text: &str, span: Range<usize>) -> Option<Plain> {
    if let Some(span) = literal(text, span.clone()) {
        return Some(Plain { span, constant: None });
    }
    let name = &text[span];
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_name) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let set =
        format!(r"(?m)(?:^|[;{{}}(,])[ \t]*(?:export[ \t]+)?(?:const|let|var)?[ \t]*{name}[ \t]*(?:\|\||\?\?)?=[ \t]*");
    let set = Regex::new(&set).ok()?;
    let mut all = set.find_iter(text).filter(|found| !text[found.end()..].starts_with(['=', '>']));
    let start = all.next().filter(|_| all.next().is_none())?.end();
    let line = text[start..].split('\n').next().unwrap_or_default();
    let code = line.split([';', '#']).next().unwrap_or_default().split("//").next().unwrap_or_default();
    let span = literal(text, trimmed(text, start..start + code.len()))?;
    Some(Plain { span, constant: Some(name.to_owned()) })
}

/// The digits of a number, or what stands in quotes.
fn literal(text: &str, span: Range<usize>) -> Option<Range<usize>> {
    let piece = &text[span.clone()];
    let inner = ['\'', '"'].iter().find_map(|quote| piece.strip_prefix(*quote)?.strip_suffix(*quote));
    match inner {
        Some(inner) => (!inner.contains(['\'', '"', '\\', '$'])).then(|| span.start + 1..span.end - 1),
        None => ((2..=5).contains(&piece.len()) && piece.bytes().all(|byte| byte.is_ascii_digit())).then_some(span),
    }
}

/// Whether a condition decides if what stands at `at` is reached; in doubt it does. What asks whether the file is the
/// program itself does not count.
fn is_conditional(text: &str, at: usize, indented: bool) -> bool {
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let before = &text[line..at];
    if [" ? ", "&&", "||", "unless "].iter().any(|sign| before.contains(sign)) || decides(before) {
        return true;
    }
    let mut least = depth(&text[line..]);
    let mut above = text[..line].lines().rev().filter(|line| !line.trim().is_empty());
    // The line just above may be an `if` without a brace.
    if !indented && above.clone().next().is_some_and(|line| decides(line) && !line.contains('}')) {
        return true;
    }
    let by_depth = above.any(|line| {
        let inside = depth(line) < least;
        least = least.min(depth(line));
        inside && decides(line)
    });
    by_depth || (!indented && open_blocks(text, line).any(decides))
}

fn depth(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Whether a line decides whether what it begins is done.
fn decides(line: &str) -> bool {
    let line = line.trim_start().trim_start_matches(['}', ' ']);
    let word = line.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let itself = ["__name__", "require.main", "module.parent", "import.meta", "__FILE__"];
    ["if", "elif", "else", "elsif", "unless", "case", "switch", "when", "except", "rescue", "catch"].contains(&word)
        && !itself.iter().any(|sign| line.contains(sign))
}

/// The lines of the braces that are open at `at`, innermost first.
fn open_blocks(text: &str, at: usize) -> impl Iterator<Item = &str> {
    let mut closed = 0_usize;
    text[..at].char_indices().rev().filter_map(move |(at, c)| {
        match c {
            '}' => closed += 1,
            '{' if closed > 0 => closed -= 1,
            '{' => {
                let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
                return Some(&text[start..at]);
            }
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::{find_listen, find_loopback};
    use crate::diagnostic::SourceFile;
    use crate::lint::folder::Content;
    use std::sync::Arc;

    fn content(name: &str, text: &str) -> Content {
        let file = Arc::new(SourceFile { name: name.into(), text: text.into() });
        Content { path: name.into(), file, real: name.into(), executable: false }
    }

    #[test]
    fn a_loopback_address_counts_where_the_call_is_told_it_and_nothing_decides() {
        let hit = [
            ("a.js", "app.listen(process.env.PORT || 3000, '127.0.0.1', () => {})"),
            ("a.js", "app.listen(\n  Number(process.env.PORT),\n  'localhost',\n)"),
            ("a.js", "const HOST = 'localhost'\napp.listen(port, HOST)"),
            ("a.js", "fastify.listen({ port: process.env.PORT, host: \"localhost\" })"),
            ("a.js", "io.listen(server)\nserver.listen(port, 'localhost')"),
            ("a.js", "if (require.main === module) {\n  app.listen(port, 'localhost')\n}"),
            ("a.js", "Bun.serve({ port, hostname: 'localhost', fetch })"),
            ("a.py", "if __name__ == '__main__':\n    app.run(host='127.0.0.1', port=port)"),
            ("a.py", "uvicorn.run(app, host=\"localhost\", port=int(os.environ['PORT']))"),
            ("a.py", "HTTPServer(('localhost', port), Handler).serve_forever()"),
        ];
        for (name, text) in hit {
            assert!(find_loopback(&content(name, text)).is_some(), "{text}");
        }
        let miss = [
            ("a.js", "app.listen(process.env.PORT, () => console.log('up on', 'localhost', process.env.PORT))"),
            ("a.js", "app.listen(port, process.env.HOST || 'localhost')"),
            ("a.js", "app.listen(port, process.env.HOST ?? 'localhost')"),
            ("a.js", "observe('127.0.0.1')"),
            ("a.js", "server.observe(x, 'localhost')"),
            ("a.js", "if (process.env.NODE_ENV !== 'production') {\n  app.listen(3000, 'localhost')\n}"),
            ("a.js", "if (dev) {\nstart(); app.listen(3000, 'localhost')\n}"),
            ("a.js", "if (dev)\n  app.listen(3000, 'localhost')"),
            ("a.js", "dev && app.listen(3000, 'localhost')"),
            ("a.js", "let HOST = 'localhost'\nHOST = process.env.HOST\napp.listen(port, HOST)"),
            ("a.js", "// app.listen(port, 'localhost')"),
            ("a.js", "app.listen(a); other.listen(b, 'localhost')"),
            ("a.py", "app.run(host=os.getenv(\"HOST\", \"127.0.0.1\"))"),
            ("a.py", "app.run(host=os.environ.get('HOST', 'localhost'), port=port)"),
            ("a.py", "if DEBUG:\n    app.run(host='127.0.0.1')"),
            ("a.py", "app.run(\n    # host='127.0.0.1',\n    host='0.0.0.0')"),
        ];
        for (name, text) in miss {
            assert!(find_loopback(&content(name, text)).is_none(), "{text}");
        }
    }

    #[test]
    fn a_port_counts_where_the_call_holds_it_or_a_constant_that_does() {
        let port = |name: &str, text: &str| find_listen(&content(name, text)).map(|(_, port)| port);
        for (name, text) in [
            ("a.js", "app.listen(8080)"),
            ("a.js", "const PORT = 8080;\nconst HOST = '0.0.0.0';\napp.listen(PORT, HOST, () => {\n})"),
            ("a.js", "const port = 8080 // here\napp.listen({ port })"),
            ("a.ts", "await app.listen({ host: '0.0.0.0', port: 8080 })"),
            ("a.py", "PORT = 8080\nuvicorn.run(app, host='0.0.0.0', port=PORT)"),
            ("a.py", "with socketserver.TCPServer((\"\", 8080), Handler) as httpd:"),
            ("a.rb", "set :port, 8080"),
        ] {
            assert_eq!(port(name, text), Some(8080), "{text}");
        }
        for (name, text) in [
            ("a.js", "const PORT = process.env.PORT || 8080\napp.listen(PORT)"),
            ("a.js", "const { PORT = 8080 } = process.env\napp.listen(PORT)"),
            ("a.js", "let port = 8080\nif (x) port = y\n  port = other()\napp.listen(port)"),
            ("a.js", "a.listen(8080); b.listen(9090)"),
            ("a.js", "app.listen('/run/app.sock')"),
            ("a.js", "app.listen(\u{e9}, 'x', "),
        ] {
            assert_eq!(port(name, text), None, "{text}");
        }
    }

    #[test]
    fn a_file_of_calls_without_an_end_is_soon_read() {
        let many = content("a.js", &".listen(".repeat(60_000));
        assert!(find_listen(&many).is_none() && find_loopback(&many).is_none());
        let open = content("a.js", &format!("a.listen(3000, {}", "[".repeat(400_000)));
        assert!(find_listen(&open).is_some());
    }
}
