# The {{ type }} process of {{ app }}: made by `dynosim init`, yours to change.

# Gems are compiled in a stage of their own: the compiler is not in the image.
FROM ruby:{{ s.version }}-slim AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends {{ s.build_packages | join(" ") }} \
    && rm -rf /var/lib/apt/lists/*
ENV BUNDLE_PATH=/gems BUNDLE_DEPLOYMENT=1 BUNDLE_WITHOUT=development:test
WORKDIR /app
COPY Gemfile Gemfile.lock {% if s.version_file %}.ruby-version {% endif %}./
RUN bundle install && rm -rf ~/.bundle "$BUNDLE_PATH"/ruby/*/cache
COPY . .
{% if s.bootsnap %}
RUN bundle exec bootsnap precompile --gemfile app/ lib/
{% endif %}
{% if s.assets %}
RUN SECRET_KEY_BASE_DUMMY=1 RAILS_ENV=production bundle exec rails assets:precompile
{% endif %}
{% if s.rails %}
# What Rails writes while it runs goes where a dyno can write.
RUN rm -rf tmp/pids tmp/sockets log && mkdir -p tmp && ln -s /tmp tmp/pids && ln -s /tmp tmp/sockets && ln -s /tmp log
{% endif %}

FROM ruby:{{ s.version }}-slim
{% if s.packages %}
RUN apt-get update \
    && apt-get install -y --no-install-recommends {{ s.packages | join(" ") }} \
    && rm -rf /var/lib/apt/lists/*
{% endif %}
ENV BUNDLE_PATH=/gems BUNDLE_DEPLOYMENT=1 BUNDLE_WITHOUT=development:test \
{% if s.rails %}
    RAILS_ENV=production RAILS_LOG_TO_STDOUT=1 RAILS_SERVE_STATIC_FILES=1 PIDFILE=/tmp/server.pid BOOTSNAP_READONLY=1 \
{% endif %}
    RACK_ENV=production
WORKDIR /app
COPY --from=build /gems /gems
COPY --from=build /app ./
{% include "user" %}
CMD {{ cmd }}
