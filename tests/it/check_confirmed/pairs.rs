//! The pairs of apps: each rule's wrong one, what its run shows, and the same app mended.

pub(super) type Files = &'static [(&'static str, &'static str)];

/// A rule, an app that it flags, what its run shows, and the same app mended.
pub(super) struct Pair {
    pub(super) rule: &'static str,
    pub(super) wrong: Files,
    pub(super) shows: Shows,
    pub(super) right: Files,
}

/// What the run of a wrong app shows.
pub(super) enum Shows {
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
    /// The router's connection to the mended app is there for the next request, that to the wrong one is not: each answers
    /// with its name for the connection.
    Kept,
}

const WEB: (&str, &str) = ("Dockerfile", "FROM busybox\nCMD exec httpd -f -p $PORT -h /\n");
const KEEPING: (&str, &str) = ("Dockerfile", "FROM node:20-slim\nWORKDIR /app\nCOPY . .\nCMD [\"node\", \"s.js\"]\n");
const CLOSES_SOON: &str = "let count = 0\nconst server = require('http').createServer((q, s) => s.end(q.socket.name))\n\
    server.on('connection', socket => { socket.name = 'connection ' + ++count })\nserver.keepAliveTimeout = 1000\n\
    server.listen(process.env.PORT)\n";
const KEEPS: &str = "let count = 0\nconst server = require('http').createServer((q, s) => s.end(q.socket.name))\n\
    server.on('connection', socket => { socket.name = 'connection ' + ++count })\nserver.keepAliveTimeout = 95_000\n\
    server.listen(process.env.PORT)\n";
const CRASHED: Shows = Shows::Log("State changed from starting to crashed");

pub(super) const PAIRS: &[Pair] = &[
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
        rule: "D043",
        wrong: &[KEEPING, ("s.js", CLOSES_SOON)],
        shows: Shows::Kept,
        right: &[KEEPING, ("s.js", KEEPS)],
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
