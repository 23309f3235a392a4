# The {{ type }} process of {{ app }}: made by `dynosim init`, yours to change.
{% if s.build %}
{%- set n = s.build %}
{%- set frozen = " --frozen-lockfile" if n.lockfile else "" %}
FROM node:{{ n.version }}-slim AS build
{% if n.manager == "pnpm" %}
RUN npm install --global --no-audit --no-fund pnpm@{{ n.manager_version }}
{% elif n.manager == "berry" %}
RUN npm install --global --no-audit --no-fund corepack && corepack enable
ENV YARN_NODE_LINKER=node-modules
{% endif %}
WORKDIR /app
{% if n.early %}
COPY . .
{% else %}
COPY {{ (["package.json"] + ([n.lockfile] if n.lockfile else []) + n.files) | join(" ") }} ./
{% endif %}
RUN {{ {"npm": ("npm ci" if n.lockfile else "npm install") ~ " --no-audit --no-fund", "yarn": "yarn install" ~ frozen, "pnpm": "pnpm install" ~ frozen, "berry": "yarn install --immutable"}[n.manager] }}
{% if not n.early %}
COPY . .
{% endif %}
RUN {{ {"npm": "npm run", "yarn": "yarn run", "pnpm": "pnpm run", "berry": "yarn run"}[n.manager] }} build

{% endif %}
FROM nginx:1-alpine
COPY nginx.conf.template /etc/nginx/app.conf.template
{% if s.build %}
COPY --from=build /app/{{ s.folder }} /site
{% else %}
COPY {{ s.folder }} /site
{% endif %}
{% include "user" %}
# The base image's ENTRYPOINT writes below /etc/nginx, where a dyno's user may not.
ENTRYPOINT []
CMD {{ cmd }}
