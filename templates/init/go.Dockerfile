# The {{ type }} process of {{ app }}: made by `dynosim init`, yours to change.
FROM golang:{{ s.version }}-alpine AS build
WORKDIR /src
{% if not s.vendored %}
COPY go.mod {% if s.locked %}go.sum {% endif %}./
RUN go mod download
{% endif %}
COPY . .
# Without C, so that the program needs no libraries of the image.
RUN mkdir /programs && CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /programs/ {{ s.packages | join(" ") }}

FROM alpine:3
WORKDIR /app
{% for folder in s.assets %}
COPY {{ folder }} ./{{ folder }}
{% endfor %}
COPY --from=build /programs/ /usr/local/bin/
{% include "user" %}
CMD {{ cmd }}
