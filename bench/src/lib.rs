//! Benchmarks of the release binary against a bare actix-web server.
