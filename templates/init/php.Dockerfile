{%- set served = "/app/" ~ s.root if s.root else "/app" %}
# The {{ type }} process of {{ app }}: made by `dynosim init`, yours to change.
FROM php:{{ s.version }}-apache AS base
{% if s.extensions %}
RUN apt-get update \
    && apt-get install -y --no-install-recommends {{ s.build_packages | join(" ") }} \
    && docker-php-ext-install {{ s.extensions | join(" ") }} \
    && rm -rf /var/lib/apt/lists/*
{% endif %}
{% if s.composer %}

FROM base AS packages
RUN apt-get update \
    && apt-get install -y --no-install-recommends git unzip \
    && rm -rf /var/lib/apt/lists/*
COPY --from=composer:2 /usr/bin/composer /usr/local/bin/composer
WORKDIR /app
COPY . .
RUN COMPOSER_ALLOW_SUPERUSER=1 composer install --no-dev --no-interaction --optimize-autoloader --prefer-dist
{% endif %}

FROM base
# Apache takes the dyno's $PORT from the environment, serves {{ served }}, and keeps its own files where a dyno can write.
# Errors go through a pipe, since a dyno's user may not open /dev/stderr again; Heroku's router logs the requests.
ENV APACHE_RUN_DIR=/tmp/apache2 APACHE_LOCK_DIR=/tmp/apache2 APACHE_PID_FILE=/tmp/apache2/apache2.pid
{% if s.laravel %}
ENV LOG_CHANNEL=stderr VIEW_COMPILED_PATH=/tmp
{% endif %}
RUN a2enmod rewrite \
    && sed -i 's/^Listen 80$/Listen ${PORT}/' /etc/apache2/ports.conf \
    && sed -i -e 's/\*:80>/*:${PORT}>/' -e 's|/var/www/html|{{ served }}|' /etc/apache2/sites-available/000-default.conf \
    && sed -i 's|<Directory /var/www/>|<Directory /app/>|' /etc/apache2/apache2.conf /etc/apache2/conf-available/*.conf \
    && sed -i -e 's/ErrorLog .*/ErrorLog "|\/bin\/cat"/' -e '/CustomLog /d' \
       /etc/apache2/apache2.conf /etc/apache2/sites-available/000-default.conf /etc/apache2/conf-available/*.conf \
    && printf 'ServerName localhost\nKeepAliveTimeout 95\nMaxRequestWorkers 20\n' > /etc/apache2/conf-enabled/dyno.conf
WORKDIR /app
{% if s.composer %}
COPY --from=packages /app ./
{% else %}
COPY . .
{% endif %}
{% include "user" %}
CMD {{ cmd }}
