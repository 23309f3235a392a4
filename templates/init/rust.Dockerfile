# The {{ type }} process of {{ app }}: made by `dynosim init`, yours to change.
FROM rust:{{ s.version }}-slim-bookworm AS build
{% if s.openssl %}
RUN apt-get update \
    && apt-get install -y --no-install-recommends libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
{% endif %}
WORKDIR /src
COPY . .
RUN cargo build --release{% if s.locked %} --locked{% endif %} {{ "--bin " ~ s.binaries | join(" --bin ") }} \
    && mkdir /programs \
    && cp {% for name in s.binaries %}target/release/{{ name }} {% endfor %}/programs/

FROM debian:bookworm-slim
{% if s.openssl %}
RUN apt-get update \
    && apt-get install -y --no-install-recommends libssl3 \
    && rm -rf /var/lib/apt/lists/*
{% endif %}
# For calls to https.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
WORKDIR /app
{% for folder in s.assets %}
COPY {{ folder }} ./{{ folder }}
{% endfor %}
COPY --from=build /programs/ /usr/local/bin/
{% include "user" %}
CMD {{ cmd }}
