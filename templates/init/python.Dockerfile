{%- set top = s.files | select("top") | list %}
{% macro files() %}
{% if top %}
COPY {{ top | join(" ") }} ./
{% endif %}
{% for file in s.files if "/" in file %}
COPY {{ file }} ./{{ file }}
{% endfor %}
{% endmacro %}
# The {{ type }} process of {{ app }}: made by `dynosim init`, yours to change.

{% if s.installer != "none" or s.server %}
# Packages go into a virtual environment, in a stage of its own: what compiles them is not in the image, and a change of
# the sources does not install them again.
FROM python:{{ s.version }}-slim AS packages
{% if s.build_packages %}
RUN apt-get update \
    && apt-get install -y --no-install-recommends {{ s.build_packages | join(" ") }} \
    && rm -rf /var/lib/apt/lists/*
{% endif %}
{% if s.installer in ["uv", "project"] %}
RUN pip install --no-cache-dir uv
{% elif s.installer in ["poetry", "pipenv"] %}
RUN pip install --no-cache-dir {{ s.installer }}
{% endif %}
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH VIRTUAL_ENV=/venv
WORKDIR /app
{% if s.early %}
COPY . .
{% else %}
{{ files() -}}
{% endif %}
{% if s.installer == "pip" %}
RUN pip install --no-cache-dir{% for file in s.files[:1] %} -r {{ file }}{% endfor %}{% if s.server %} {{ s.server }}{% endif %}

{% elif s.installer == "uv" %}
RUN UV_PROJECT_ENVIRONMENT=/venv UV_PYTHON_DOWNLOADS=never uv sync --frozen --no-dev --no-install-project --no-cache
{% elif s.installer == "project" %}
RUN uv pip install --no-cache -r pyproject.toml
{% elif s.installer == "poetry" %}
RUN poetry install --only main --no-root --no-interaction --no-cache
{% elif s.installer == "pipenv" %}
{% if "Pipfile.lock" not in s.files %}
RUN pipenv lock
{% endif %}
RUN pipenv requirements > /tmp/requirements.txt && pip install --no-cache-dir -r /tmp/requirements.txt
{% endif %}
{% if s.server and s.installer != "pip" %}
{% if s.installer in ["uv", "project"] %}
RUN uv pip install --no-cache {{ s.server }}
{% else %}
RUN /venv/bin/pip install --no-cache-dir {{ s.server }}
{% endif %}
{% endif %}

{% endif %}
FROM python:{{ s.version }}-slim
{% if s.packages %}
RUN apt-get update \
    && apt-get install -y --no-install-recommends {{ s.packages | join(" ") }} \
    && rm -rf /var/lib/apt/lists/*
{% endif %}
# No .pyc files, for there is nowhere to keep them; a line is in the log when it is printed; Heroku's router is trusted with
# X-Forwarded-Proto; gunicorn's heartbeat files are in memory, its control socket where a dyno can write.
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FORWARDED_ALLOW_IPS=* \
    GUNICORN_CMD_ARGS=--worker-tmp-dir=/dev/shm \
    XDG_RUNTIME_DIR=/tmp
WORKDIR /app
{% if s.installer != "none" or s.server %}
COPY --from=packages /venv /venv
{% endif %}
COPY . .
{% if s.collectstatic %}
# Settings may want a secret key; this one is not in the image.
RUN SECRET_KEY=only-for-this-step DJANGO_SECRET_KEY=only-for-this-step python manage.py collectstatic --noinput
{% endif %}
{% include "user" %}
CMD {{ cmd }}
