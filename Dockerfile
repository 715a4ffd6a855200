FROM rust:1.95-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin phone-auth \
    && cp target/release/phone-auth /phone-auth \
    && mkdir /data

# The C library and certificates: no shell, no package manager, not root.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /phone-auth /usr/local/bin/phone-auth
COPY --from=build --chown=nonroot:nonroot /data /var/lib/phone-auth
WORKDIR /var/lib/phone-auth
ENV PHONE_AUTH__SERVER__BIND=0.0.0.0:8080 \
    PHONE_AUTH__DATA__DIR=/var/lib/phone-auth
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s CMD ["/usr/local/bin/phone-auth", "health"]
ENTRYPOINT ["/usr/local/bin/phone-auth"]
CMD ["serve"]
