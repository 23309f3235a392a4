{%- set all = [s.lockfile] + s.files if s.lockfile else s.files %}
{%- set copy = "package.json " ~ (all | join(" ")) %}
{%- set frozen = " --frozen-lockfile" if s.lockfile else "" %}
{%- set install = {
  "npm": ("npm ci" if s.lockfile else "npm install") ~ " --no-audit --no-fund",
  "yarn": "yarn install" ~ frozen,
  "pnpm": "pnpm install" ~ frozen,
  "berry": "yarn install --immutable",
}[s.manager] %}
{%- set install_production = {
  "npm": install ~ " --omit=dev",
  "yarn": install ~ " --production",
  "pnpm": install ~ " --prod",
  "berry": "yarn workspaces focus --all --production",
}[s.manager] %}
{%- set prune = {
  "npm": "npm prune --omit=dev --no-audit --no-fund",
  "yarn": "yarn install --production --ignore-scripts --prefer-offline" ~ frozen,
  "pnpm": "CI=true pnpm prune --prod",
  "berry": "yarn workspaces focus --all --production",
}[s.manager] %}
{%- set run = {"npm": "npm run", "yarn": "yarn run", "pnpm": "pnpm run", "berry": "yarn run"}[s.manager] %}
{% macro tools() %}
{% if s.manager == "pnpm" %}
RUN npm install --global --no-audit --no-fund pnpm@{{ s.manager_version }}
{% elif s.manager == "berry" %}
RUN npm install --global --no-audit --no-fund corepack && corepack enable
# Packages go into node_modules, where `node` finds them without Yarn.
ENV YARN_NODE_LINKER=node-modules
{% endif %}
{% endmacro %}
# The {{ type }} process of {{ app }}: made by `dynosim init`, yours to change.
{% if s.build or (s.early and s.dependencies) %}
# Everything that building needs stays in this stage.
FROM node:{{ s.version }}-slim AS build
{{ tools() }}WORKDIR /app
{% if s.early %}
COPY . .
RUN {{ install }}
{% else %}
COPY {{ copy | trim }} ./
RUN {{ install }}
COPY . .
{% endif %}
{% if s.build %}
RUN {{ run }} build
{% endif %}
{% if s.dependencies and not s.development %}
RUN {{ prune }}
{% endif %}
{% elif s.dependencies %}
# Packages are installed in a stage of their own: a change of the sources does not install them again.
FROM node:{{ s.version }}-slim AS packages
{{ tools() }}WORKDIR /app
COPY {{ copy | trim }} ./
RUN {{ install if s.development else install_production }}
{% endif %}

FROM node:{{ s.version }}-slim
{% if "npm" in cmd %}
# npm keeps its logs here; the rest of a dyno's files need not be writable.
ENV npm_config_cache=/tmp/npm npm_config_update_notifier=false
{% endif %}
ENV NODE_ENV=production \
    PATH=/app/node_modules/.bin:$PATH
WORKDIR /app
{% if s.build or (s.early and s.dependencies) %}
COPY --from=build /app ./
{% elif s.dependencies %}
COPY --from=packages /app/node_modules ./node_modules
COPY . .
{% else %}
COPY . .
{% endif %}
{% if s.next %}
# What Next.js caches while it runs.
RUN rm -rf .next/cache && ln -s /tmp .next/cache
{% endif %}
{% include "user" %}
CMD {{ cmd }}
