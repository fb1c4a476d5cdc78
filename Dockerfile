# syntax=docker/dockerfile:1
# The last stage is the mediator: the server workspace installed alone, so that it runs no code that opens payloads; the
# dashboard that it hands to browsers is in files that it never reads as code.
# `--target node` builds the example services instead.

FROM node:24-slim AS sources
WORKDIR /app
COPY package.json package-lock.json .npmrc tsconfig.json tsconfig.base.json ./
COPY protocol/package.json protocol/
COPY server/package.json server/
COPY scaffold/package.json scaffold/

FROM sources AS server-build
RUN npm ci --workspace server --include-workspace-root --loglevel=error
COPY protocol protocol
COPY migrations migrations
COPY fixtures fixtures
COPY server server
COPY scaffold scaffold
RUN npx tsc -b server scaffold

# What browsers are given: a page that can be a node, and so holds the client library's edition for pages.
FROM sources AS dashboard-build
COPY client-lib/package.json client-lib/
COPY dashboard/package.json dashboard/
RUN npm ci --workspace client-lib --workspace dashboard --include-workspace-root --loglevel=error
COPY protocol protocol
COPY client-lib client-lib
COPY dashboard dashboard
COPY migrations migrations
COPY fixtures fixtures
COPY server server
RUN npx tsc -b client-lib/tsconfig.browser.json && npm run build --workspace dashboard

FROM sources AS node-build
COPY client-lib/package.json client-lib/
# The server's too: examples are compiled against Express, which is its dependency.
RUN npm ci --workspace client-lib --workspace server --include-workspace-root --loglevel=error
COPY protocol protocol
COPY client-lib client-lib
COPY examples examples
RUN npx tsc -b examples

FROM sources AS node
ENV NODE_ENV=production
COPY client-lib/package.json client-lib/
RUN npm ci --omit=dev --workspace client-lib --include-workspace-root=false --loglevel=error && npm cache clean --force
COPY --from=node-build /app/protocol/dist protocol/dist
COPY --from=node-build /app/client-lib/dist client-lib/dist
COPY --from=node-build /app/examples/dist examples/dist
# Secrets come in by this volume: a `.env.node` in the working directory.
RUN install -d -o node -g node -m 0700 /secrets/node
WORKDIR /secrets/node
USER node
CMD ["node", "/app/examples/dist/client.js"]

FROM sources AS mediator
ENV NODE_ENV=production
RUN npm ci --omit=dev --workspace server --include-workspace-root=false --loglevel=error && npm cache clean --force
COPY --from=server-build /app/protocol/dist protocol/dist
COPY --from=server-build /app/server/dist server/dist
COPY --from=dashboard-build /app/server/dist/dashboard server/dist/dashboard
COPY --from=server-build /app/scaffold scaffold
# `.env` and, where no DATABASE_URL says otherwise, sealway.sqlite are kept in the working directory: a volume.
RUN install -d -o node -g node -m 0700 /data /secrets/node
WORKDIR /data
USER node
# Inside a container loopback reaches nobody; what is published, and where, is said outside.
ENV HOST=0.0.0.0 PORT=4567
EXPOSE 4567
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
CMD ["node", "/app/server/dist/main.js", "start"]
