//! What `check` says is shown by runs on the real engine: the app that a rule flags does fail there, the mended one does not.
//!
//! `Rule::confirmed` tells which rules; each of them has a pair here or a wrong app of `tests/fixtures/apps`.

use crate::harness::{Project, engine_lock};
use crate::support::engine_or_skip;
use dynosim::lint::RULES;
use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::LazyLock;

type Files = &'static [(&'static str, &'static str)];

/// A rule, an app that it flags, what its run shows, and the same app mended.
struct Pair {
    rule: &'static str,
    wrong: Files,
    shows: Shows,
    right: Files,
}

/// What the run of a wrong app shows.
enum Shows {
    /// This line in the log of `up`.
    Log(&'static str),
    /// `up` ends by itself with this code and these words on stderr.
    Refused(i32, &'static str),
    /// This command prints this in the mended app and does not in the wrong one.
    Run(&'static [&'static str], &'static str),
    /// This command prints this in the wrong app and does not in the mended one: the image has it.
    Holds(&'static [&'static str], &'static str),
    /// The mended app says this when it is stopped, and the wrong one does not.
    Stop(&'static str),
}

const WEB: (&str, &str) = ("Dockerfile", "FROM busybox\nCMD exec httpd -f -p $PORT -h /\n");
const CRASHED: Shows = Shows::Log("State changed from starting to crashed");

const PAIRS: &[Pair] = &[
    Pair {
        rule: "D001",
        wrong: &[("Dockerfile", "FROM busybox\nCMD httpd -f -p 0.0.0.0:3000 -h /\n")],
        shows: Shows::Log("Error R10 (Boot timeout)"),
        right: &[WEB],
    },
    Pair {
        rule: "D002",
        wrong: &[("Dockerfile", "FROM python:3.11-slim\nCMD python -m http.server -d /srv\n")],
        shows: Shows::Log("Error R10 (Boot timeout)"),
        right: &[("Dockerfile", "FROM python:3.11-slim\nCMD python -m http.server -d /srv $PORT\n")],
    },
    Pair {
        rule: "D003",
        wrong: &[("Dockerfile", "FROM busybox\nCMD httpd -f -p 127.0.0.1:$PORT -h /\n")],
        shows: Shows::Log("Error R10 (Boot timeout)"),
        right: &[WEB],
    },
    Pair {
        rule: "D004",
        wrong: &[("Dockerfile", "FROM busybox\nCMD [\"httpd\", \"-f\", \"-p\", \"$PORT\"]\n")],
        shows: CRASHED,
        right: &[WEB],
    },
    Pair {
        rule: "D005",
        wrong: &[("Dockerfile", "FROM nginx:1-alpine\nCOPY page /usr/share/nginx/html/page\n"), ("page", "x\n")],
        shows: Shows::Log("bind() to 0.0.0.0:80 failed"),
        right: &[
            (
                "Dockerfile",
                "FROM nginx:1-alpine\nCOPY app.conf.template /app.conf.template\n\
                 CMD envsubst '$PORT' < /app.conf.template > /tmp/app.conf && exec nginx -c /tmp/app.conf -g 'daemon off;'\n",
            ),
            (
                "app.conf.template",
                "pid /tmp/nginx.pid;\nevents {}\nhttp {\n  access_log /dev/stdout;\n  client_body_temp_path /tmp/a;\n  \
                 proxy_temp_path /tmp/b;\n  fastcgi_temp_path /tmp/c;\n  uwsgi_temp_path /tmp/d;\n  scgi_temp_path /tmp/e;\n  \
                 server { listen ${PORT}; }\n}\n",
            ),
        ],
    },
    Pair {
        rule: "D006",
        wrong: &[
            ("Dockerfile", "FROM node:20-slim\nCOPY server.js /app/server.js\nCMD [\"node\", \"/app/server.js\"]\n"),
            ("server.js", "require('http').createServer((q, s) => s.end('x')).listen(3000)\n"),
        ],
        shows: Shows::Log("Error R10 (Boot timeout)"),
        right: &[
            ("Dockerfile", "FROM node:20-slim\nCOPY server.js /app/server.js\nCMD [\"node\", \"/app/server.js\"]\n"),
            ("server.js", "require('http').createServer((q, s) => s.end('x')).listen(process.env.PORT || 3000)\n"),
        ],
    },
    Pair {
        rule: "D008",
        wrong: &[("Dockerfile", "FROM busybox\nENTRYPOINT [\"httpd\", \"-f\"]\n")],
        shows: Shows::Refused(4, "No command specified for process type web"),
        right: &[WEB],
    },
    Pair {
        rule: "D009",
        wrong: &[("Dockerfile", "FROM busybox\nRUN true\n")],
        shows: Shows::Log("Process exited with status 0"),
        right: &[WEB],
    },
    Pair {
        rule: "D010",
        wrong: &[("Dockerfile", "FROM busybox\nENTRYPOINT exec httpd -f -p 8080 -h /\nCMD [\"web\"]\n")],
        shows: Shows::Run(&["run", "--no-tty", "--", "echo", "one-off"], "one-off"),
        right: &[WEB],
    },
    Pair {
        rule: "D011",
        wrong: &[
            ("Dockerfile", "FROM busybox\nCOPY e.sh /e.sh\nENTRYPOINT [\"/e.sh\"]\nCMD [\"web\"]\n"),
            ("e.sh", "#!/bin/sh\necho serving\n"),
        ],
        shows: Shows::Run(&["run", "--no-tty", "--", "echo", "one-off"], "one-off"),
        right: &[
            (
                "Dockerfile",
                "FROM busybox\nCOPY e.sh /e.sh\nENTRYPOINT [\"/e.sh\"]\nCMD [\"sh\", \"-c\", \"exec httpd -f -p $PORT -h /\"]\n",
            ),
            ("e.sh", "#!/bin/sh\nexec \"$@\"\n"),
        ],
    },
    Pair {
        rule: "D012",
        wrong: &[
            ("Dockerfile", "FROM busybox\nENTRYPOINT [\"env\", \"A=1\"]\nCMD [\"true\"]\n"),
            ("heroku.yml", "build:\n  docker:\n    web: Dockerfile\nrun:\n  web: httpd -f -p $PORT -h /\n"),
        ],
        shows: CRASHED,
        right: &[
            ("Dockerfile", "FROM busybox\nENTRYPOINT [\"env\", \"A=1\"]\nCMD [\"true\"]\n"),
            ("heroku.yml", "build:\n  docker:\n    web: Dockerfile\nrun:\n  web: sh -c 'httpd -f -p $PORT -h /'\n"),
        ],
    },
    Pair {
        rule: "D013",
        wrong: &[(
            "Dockerfile",
            "FROM busybox\nENTRYPOINT [\"/bin/sh\", \"-c\"]\nCMD [\"echo\", \"all\", \"words\"]\n",
        )],
        shows: CRASHED,
        right: &[(
            "Dockerfile",
            "FROM busybox\nENTRYPOINT [\"/bin/sh\", \"-c\"]\nCMD [\"exec httpd -f -p $PORT -h /\"]\n",
        )],
    },
    Pair {
        rule: "D015",
        wrong: &[(
            "Dockerfile",
            "FROM busybox AS tools\nFROM scratch\nCOPY --from=tools /bin/busybox /httpd\nCMD [\"/httpd\", \"-f\"]\n",
        )],
        shows: CRASHED,
        right: &[(
            "Dockerfile",
            "FROM busybox AS tools\nFROM scratch\nCOPY --from=tools /bin/busybox /busybox\nENTRYPOINT [\"/busybox\"]\n\
             CMD [\"sh\", \"-c\", \"exec /busybox httpd -f -p $PORT -h /\"]\n",
        )],
    },
    Pair {
        rule: "D016",
        wrong: &[("Dockerfile", "FROM busybox\nCMD httpd -p $PORT -h /\n")],
        shows: Shows::Log("Process exited with status 0"),
        right: &[WEB],
    },
    Pair {
        rule: "D019",
        wrong: &[
            ("Dockerfile", "FROM busybox\nSTOPSIGNAL SIGINT\nCOPY e.sh /e.sh\nCMD [\"/e.sh\"]\n"),
            ("e.sh", "#!/bin/sh\ntrap 'echo all is kept; exit' INT\nhttpd -f -p \"$PORT\" -h / &\nwait\n"),
        ],
        shows: Shows::Stop("all is kept"),
        right: &[
            ("Dockerfile", "FROM busybox\nCOPY e.sh /e.sh\nCMD [\"/e.sh\"]\n"),
            ("e.sh", "#!/bin/sh\ntrap 'echo all is kept; exit' TERM\nhttpd -f -p \"$PORT\" -h / &\nwait\n"),
        ],
    },
    Pair {
        rule: "D020",
        wrong: &[
            ("Dockerfile", "FROM busybox\nRUN mkdir /data\nCOPY e.sh /e.sh\nCMD [\"/e.sh\"]\n"),
            ("e.sh", "#!/bin/sh\nset -e\nchown 1000 /data\nexec httpd -f -p \"$PORT\" -h /\n"),
        ],
        shows: CRASHED,
        right: &[
            ("Dockerfile", "FROM busybox\nRUN mkdir /data && chown 1000 /data\nCOPY e.sh /e.sh\nCMD [\"/e.sh\"]\n"),
            ("e.sh", "#!/bin/sh\nset -e\nexec httpd -f -p \"$PORT\" -h /\n"),
        ],
    },
    Pair {
        rule: "D021",
        wrong: &[("Dockerfile", "FROM python:3.11-slim\nCMD exec python -u -m http.server 80 -d /srv\n")],
        shows: CRASHED,
        right: &[("Dockerfile", "FROM python:3.11-slim\nCMD exec python -u -m http.server ${PORT:-80} -d /srv\n")],
    },
    Pair {
        rule: "D022",
        wrong: &[("Dockerfile", "FROM busybox\nCMD mkdir -p /var/lib/app && exec httpd -f -p $PORT -h /\n")],
        shows: CRASHED,
        right: &[("Dockerfile", "FROM busybox\nCMD mkdir -p /tmp/app && exec httpd -f -p $PORT -h /\n")],
    },
    Pair {
        rule: "D023",
        wrong: &[(
            "Dockerfile",
            "FROM python:3.11-slim\nWORKDIR /root\nRUN printf '#!/bin/sh\\nexec python -m http.server $PORT -d /srv\\n' >s && chmod +x s\nCMD [\"./s\"]\n",
        )],
        shows: CRASHED,
        right: &[(
            "Dockerfile",
            "FROM python:3.11-slim\nWORKDIR /app\nRUN printf '#!/bin/sh\\nexec python -m http.server $PORT -d /srv\\n' >s && chmod +x s\nCMD [\"./s\"]\n",
        )],
    },
    Pair {
        rule: "D024",
        wrong: &[
            ("Dockerfile", "FROM busybox\nCOPY e.sh /e.sh\nCMD [\"/e.sh\"]\n"),
            ("e.sh", "#!/bin/sh\r\nexec httpd -f -p \"$PORT\" -h /\r\n"),
        ],
        shows: CRASHED,
        right: &[
            ("Dockerfile", "FROM busybox\nCOPY e.sh /e.sh\nCMD [\"/e.sh\"]\n"),
            ("e.sh", "#!/bin/sh\nexec httpd -f -p \"$PORT\" -h /\n"),
        ],
    },
    Pair {
        rule: "D025",
        wrong: &[
            ("Dockerfile", "FROM busybox\nCOPY plain /e.sh\nCMD [\"/e.sh\"]\n"),
            ("plain", "#!/bin/sh\nexec httpd -f -p \"$PORT\" -h /\n"),
        ],
        shows: CRASHED,
        right: &[
            ("Dockerfile", "FROM busybox\nCOPY plain /e.sh\nRUN chmod +x /e.sh\nCMD [\"/e.sh\"]\n"),
            ("plain", "#!/bin/sh\nexec httpd -f -p \"$PORT\" -h /\n"),
        ],
    },
    Pair {
        rule: "D026",
        wrong: &[
            ("Dockerfile", "FROM busybox\nCOPY dist /dist\nCMD exec httpd -f -p $PORT -h /\n"),
            ("dist", "x\n"),
            (".dockerignore", "dist\n"),
        ],
        shows: Shows::Refused(3, "dist"),
        right: &[("Dockerfile", "FROM busybox\nCOPY dist /dist\nCMD exec httpd -f -p $PORT -h /\n"), ("dist", "x\n")],
    },
    Pair {
        rule: "D027",
        wrong: &[
            ("Dockerfile", "FROM busybox\nCOPY . /app\nCMD exec httpd -f -p $PORT -h /\n"),
            (".env", "KEY=held-by-the-image\n"),
        ],
        shows: Shows::Holds(&["run", "--no-tty", "--", "cat", "/app/.env"], "held-by-the-image"),
        right: &[
            ("Dockerfile", "FROM busybox\nCOPY . /app\nCMD exec httpd -f -p $PORT -h /\n"),
            (".env", "KEY=held-by-the-image\n"),
            (".dockerignore", ".env\n"),
        ],
    },
    Pair {
        rule: "D029",
        wrong: &[
            ("heroku.yml", "build:\n  docker:\n    web: web/Dockerfile\n"),
            ("web/Dockerfile", "FROM busybox\nCOPY . /app\nCMD exec httpd -f -p $PORT -h /\n"),
            ("web/notes", "left out by none\n"),
            (".dockerignore", "web/notes\n"),
        ],
        shows: Shows::Holds(&["run", "--no-tty", "--", "cat", "/app/notes"], "left out by none"),
        right: &[
            ("heroku.yml", "build:\n  docker:\n    web: web/Dockerfile\n"),
            ("web/Dockerfile", "FROM busybox\nCOPY . /app\nCMD exec httpd -f -p $PORT -h /\n"),
            ("web/notes", "left out by none\n"),
            ("web/.dockerignore", "notes\n"),
        ],
    },
    Pair {
        rule: "D030",
        wrong: &[WEB, (".dockerignore", "a[\n")],
        shows: Shows::Refused(1, "is not a pattern"),
        right: &[WEB, (".dockerignore", "a[b]\n")],
    },
    Pair {
        rule: "D031",
        wrong: &[
            (
                "Dockerfile",
                "FROM busybox\nARG MODE\nRUN echo x > /fast.conf && cp /$MODE.conf /app.conf\nCMD exec httpd -f -p $PORT -h /\n",
            ),
            ("heroku.yml", "build:\n  docker:\n    web: Dockerfile\n"),
        ],
        shows: Shows::Refused(3, "can't stat '/.conf'"),
        right: &[
            (
                "Dockerfile",
                "FROM busybox\nARG MODE=fast\nRUN echo x > /fast.conf && cp /$MODE.conf /app.conf\nCMD exec httpd -f -p $PORT -h /\n",
            ),
            ("heroku.yml", "build:\n  docker:\n    web: Dockerfile\n"),
        ],
    },
    Pair {
        rule: "D032",
        wrong: &[
            ("Dockerfile", "FROM busybox\nENV MODE=$MODE\nCMD exec httpd -f -p $PORT -h /\n"),
            ("heroku.yml", "build:\n  docker:\n    web: Dockerfile\n  config:\n    MODE: fast\n"),
        ],
        shows: Shows::Run(&["run", "--no-tty", "--", "echo mode-$MODE"], "mode-fast"),
        right: &[
            ("Dockerfile", "FROM busybox\nARG MODE\nENV MODE=$MODE\nCMD exec httpd -f -p $PORT -h /\n"),
            ("heroku.yml", "build:\n  docker:\n    web: Dockerfile\n  config:\n    MODE: fast\n"),
        ],
    },
    Pair {
        rule: "D033",
        wrong: &[
            (
                "Dockerfile",
                "FROM busybox\nCOPY schema /schema\nRUN cp $SCHEMA /tmp/schema\nCMD exec httpd -f -p $PORT -h /\n",
            ),
            ("schema", "x\n"),
            (".env", "SCHEMA=/schema\n"),
        ],
        shows: Shows::Refused(3, "cp $SCHEMA"),
        right: &[
            (
                "Dockerfile",
                "FROM busybox\nCOPY schema /schema\nCMD cp $SCHEMA /tmp/schema && exec httpd -f -p $PORT -h /\n",
            ),
            ("schema", "x\n"),
            (".env", "SCHEMA=/schema\n"),
        ],
    },
    Pair {
        rule: "D034",
        wrong: &[("Dockerfile", "FROM busybox\nENV API_TOKEN=9f2c7a61b04e\nCMD exec httpd -f -p $PORT -h /\n")],
        shows: Shows::Holds(&["run", "--no-tty", "--", "echo it-is-$API_TOKEN"], "9f2c7a61b04e"),
        right: &[WEB],
    },
    Pair {
        rule: "D035",
        wrong: &[("Dockerfile", "FROM busybox\nENV A=%AWS%\nCMD exec httpd -f -p $PORT -h /\n")],
        shows: Shows::Holds(&["run", "--no-tty", "--", "echo it-is-$A"], "AKIA"),
        right: &[WEB],
    },
    Pair {
        rule: "D036",
        wrong: &[
            ("Dockerfile", "FROM busybox\nCOPY . /app\nCMD exec httpd -f -p $PORT -h /\n"),
            ("id_rsa", "%KEY%\nthe key itself\n"),
        ],
        shows: Shows::Holds(&["run", "--no-tty", "--", "cat", "/app/id_rsa"], "the key itself"),
        right: &[
            ("Dockerfile", "FROM busybox\nCOPY . /app\nCMD exec httpd -f -p $PORT -h /\n"),
            ("id_rsa", "%KEY%\nthe key itself\n"),
            (".dockerignore", "id_rsa\n"),
        ],
    },
    Pair {
        rule: "D037",
        // The head of a program for arm64.
        wrong: &[(
            "Dockerfile",
            "FROM busybox AS tools\nRUN printf '\\177ELF\\002\\001\\001\\000' >/web && dd if=/dev/zero bs=8 count=1 >>/web && \
             printf '\\002\\000\\267\\000\\001\\000\\000\\000' >>/web && dd if=/dev/zero bs=40 count=1 >>/web && chmod 755 /web\n\
             FROM --platform=linux/arm64 scratch\nCOPY --from=tools /web /web\nENTRYPOINT [\"/web\"]\nCMD [\"serve\"]\n",
        )],
        shows: Shows::Log("xec format error"),
        right: &[WEB],
    },
    Pair {
        rule: "D040",
        wrong: &[WEB, ("Dockerfile.release", "FROM busybox\nCMD exec httpd -f -p ${PORT:-8080} -h /\n")],
        shows: Shows::Refused(4, "release"),
        right: &[WEB, ("Dockerfile.release", "FROM busybox\nCMD echo migrated\n")],
    },
    Pair {
        rule: "D044",
        wrong: &[WEB, ("heroku.yml", "build:\n  docker:\n    web: Dockerfile\n  run:\n    web: x\n")],
        shows: Shows::Refused(2, "heroku.yml:4"),
        right: &[WEB, ("heroku.yml", "build:\n  docker:\n    web: Dockerfile\n")],
    },
    Pair {
        rule: "D045",
        wrong: &[WEB, ("heroku.yml", "build:\n  docker:\n    web: Dockerfile.prod\n")],
        shows: Shows::Refused(2, "heroku.yml:3"),
        right: &[WEB, ("heroku.yml", "build:\n  docker:\n    web: Dockerfile\n")],
    },
    Pair {
        rule: "D047",
        wrong: &[WEB, ("app.json", "{\"env\": {\"STRIPE_KEY\": {}}}\n"), (".env", "A=1\n")],
        shows: Shows::Refused(2, "STRIPE_KEY"),
        right: &[WEB, ("app.json", "{\"env\": {\"STRIPE_KEY\": {}}}\n"), (".env", "STRIPE_KEY=1\n")],
    },
    Pair {
        rule: "D049",
        wrong: &[
            ("Dockerfile", "FROM busybox\nCMD echo \"port=$PORT=\"; exec httpd -f -p $PORT -h /\n"),
            (".env", "PORT=5000\n"),
        ],
        shows: Shows::Refused(-1, "PORT is set by the platform"),
        right: &[WEB],
    },
    Pair {
        rule: "D050",
        wrong: &[WEB, (".env", "CERTIFICATES=%LARGE%\n")],
        shows: Shows::Refused(2, "Heroku allows 65536"),
        right: &[WEB, (".env", "CERTIFICATES_URL=https://certificates.internal\n")],
    },
    Pair {
        rule: "D052",
        wrong: &[WEB, (".env", "API KEY=1\n")],
        shows: Shows::Refused(2, ".env:1"),
        right: &[WEB, (".env", "API_KEY=1\n")],
    },
    Pair {
        rule: "D055",
        wrong: &[("Dockerfile", "FROM busybox\nRUN true\n  && true\nCMD exec httpd -f -p $PORT -h /\n")],
        shows: Shows::Refused(3, "Dockerfile"),
        right: &[("Dockerfile", "FROM busybox\nRUN true \\\n  && true\nCMD exec httpd -f -p $PORT -h /\n")],
    },
    Pair {
        rule: "D057",
        wrong: &[
            ("Dockerfile", "FROM busybox\nONBUILD COPY page /page\nCMD exec httpd -f -p $PORT -h /\n"),
            ("page", "the page\n"),
        ],
        shows: Shows::Run(&["run", "--no-tty", "--", "cat", "/page"], "the page"),
        right: &[
            ("Dockerfile", "FROM busybox\nCOPY page /page\nCMD exec httpd -f -p $PORT -h /\n"),
            ("page", "the page\n"),
        ],
    },
    Pair {
        rule: "D058",
        wrong: &[WEB, (".env", "SERVICE=tcp://localhost:%SERVICE%\n")],
        shows: Shows::Run(
            &["run", "--no-tty", "--", "nc -w 5 $(echo $SERVICE | sed 's,.*//,,; s,:, ,')"],
            "a service of this machine",
        ),
        right: &[WEB, (".env", "SERVICE=tcp://host.docker.internal:%SERVICE%\n")],
    },
    Pair {
        rule: "D059",
        wrong: &[
            ("Dockerfile", "FROM node:20-slim\nCOPY s.js /s.js\nENTRYPOINT [\"node\"]\nCMD [\"node\", \"/s.js\"]\n"),
            ("s.js", "require('http').createServer((q, s) => s.end('x')).listen(process.env.PORT)\n"),
        ],
        shows: CRASHED,
        right: &[
            ("Dockerfile", "FROM node:20-slim\nCOPY s.js /s.js\nENTRYPOINT [\"node\"]\nCMD [\"/s.js\"]\n"),
            ("s.js", "require('http').createServer((q, s) => s.end('x')).listen(process.env.PORT)\n"),
        ],
    },
];

/// Rules whose run is proved by another test of this folder.
const ELSEWHERE: &[(&str, &str)] = &[("D017", "r1_3_a_volume_is_neither_writable_nor_kept")];

/// What stands in a Dockerfile for an image that is had only from a registry: Debian's nginx, set up as that image's is.
const NGINX: &str = "FROM debian:bookworm-slim\nRUN apt-get update && apt-get install -y --no-install-recommends nginx-light gettext-base \
    && ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log && rm -r /var/lib/nginx && ln -s /tmp /var/lib/nginx\n\
    CMD [\"nginx\", \"-g\", \"daemon off;\"]\n";

/// A service of this machine that greets whoever connects.
fn service() -> u16 {
    static PORT: LazyLock<u16> = LazyLock::new(|| {
        let listener = TcpListener::bind(("0.0.0.0", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.write_all(b"a service of this machine\n");
            }
        });
        port
    });
    *PORT
}

fn app(name: &str, files: Files) -> Project {
    let project = Project::empty(name);
    for (file, text) in files {
        // Texts that should not stand in a file, for they look like secrets, are large, or are not known yet.
        let text = text
            .replace("%AWS%", concat!("AKIA2E0A8F3B", "244C9986"))
            .replace("%KEY%", concat!("-----BEGIN OPENSSH ", "PRIVATE KEY-----"))
            .replace("%LARGE%", &"x".repeat(65_600))
            .replace("%SERVICE%", &service().to_string());
        let path = project.dir.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        project.write(file, &text);
        let path = project.dir.join(file);
        if path.extension().is_some_and(|extension| extension == "sh") {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    project
}

fn flagged(project: &Project, rule: &str) -> bool {
    let ended = project.run(&["check", "--format", "json", "--fail-on", "none"]);
    let found: serde_json::Value =
        serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    found["findings"].as_array().unwrap().iter().any(|one| one["rule"] == rule)
}

#[test]
fn every_rule_that_claims_a_run_has_one() {
    let paired: BTreeSet<&str> =
        PAIRS.iter().map(|pair| pair.rule).chain(ELSEWHERE.iter().map(|(rule, _)| *rule)).collect();
    let claimed: BTreeSet<&str> = RULES.iter().filter(|rule| rule.confirmed.is_some()).map(|rule| rule.id).collect();
    assert_eq!(claimed, paired);
}

#[test]
fn what_a_rule_flags_it_flags_no_more_when_it_is_mended() {
    for pair in PAIRS {
        let (wrong, right) = (app("wrong", pair.wrong), app("right", pair.right));
        assert!(flagged(&wrong, pair.rule), "{} does not flag its wrong app", pair.rule);
        assert!(!flagged(&right, pair.rule), "{} flags the mended app", pair.rule);
    }
}

#[test]
fn what_a_rule_flags_fails_on_the_engine_and_the_mended_app_does_not() {
    engine_or_skip!();
    let _engine = engine_lock();
    let only = std::env::var("DYNOSIM_PAIR").ok();
    for pair in PAIRS.iter().filter(|pair| only.as_deref().is_none_or(|rule| rule == pair.rule)) {
        eprintln!("{}", pair.rule);
        fails(pair);
        let right = runnable("right", pair.right);
        match &pair.shows {
            Shows::Run(words, text) => {
                right.run(words).expect_out(text);
            }
            Shows::Holds(words, text) => assert!(!right.run(words).out.contains(text), "{}", pair.rule),
            _ => {}
        }
        let up = right.up(&["--timeouts", "boot=20s,backoff=60s,exit=2s"]);
        up.ready();
        let ended = up.stop();
        if let Shows::Stop(text) = &pair.shows {
            ended.expect_out(text);
        }
    }
}

/// The same app, on images that are at hand.
fn runnable(name: &str, files: Files) -> Project {
    let project = app(name, files);
    let dockerfile = project.dir.join("Dockerfile");
    if let Ok(text) = std::fs::read_to_string(&dockerfile) {
        std::fs::write(dockerfile, text.replace("FROM nginx:1-alpine\n", NGINX)).unwrap();
    }
    project
}

fn fails(pair: &Pair) {
    let project = runnable("wrong", pair.wrong);
    match &pair.shows {
        Shows::Log(line) => {
            let up = project.up(&["--timeouts", "boot=3s,backoff=60s,exit=1s"]);
            up.wait_out(line);
            up.wait_out("State changed from starting to crashed");
            up.stop();
        }
        Shows::Refused(-1, text) => {
            let up = project.up(&["--timeouts", "boot=20s,exit=2s"]);
            up.wait_err(text);
            up.ready();
            up.stop();
        }
        Shows::Refused(code, text) => {
            project.run(&["up", "--timeouts", "release=2s,boot=3s"]).expect_code(*code).expect_err(text);
        }
        Shows::Holds(words, text) => {
            project.run(words).expect_out(text);
        }
        Shows::Stop(text) => {
            let up = project.up(&["--timeouts", "boot=20s,exit=2s"]);
            up.ready();
            assert!(!up.stop().out.contains(text), "{}", pair.rule);
        }
        Shows::Run(words, text) => {
            // What ignores its command may well serve for ever.
            let mut child = project
                .command(words)
                .stdin(std::process::Stdio::null())
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            let began = std::time::SystemTime::now();
            while child.try_wait().unwrap().is_none() && began.elapsed().unwrap_or_default().as_secs() < 15 {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
            let output = child.wait_with_output().unwrap();
            assert!(!String::from_utf8_lossy(&output.stdout).contains(text), "{}", pair.rule);
        }
    }
}
