//! Servers to try things on: `cargo run -p phone-auth-servers`. They end with it.
#![allow(clippy::print_stdout, reason = "a command's output")]

use servers::{Postgres, Redis};

fn main() {
    let (postgres, redis) = (Postgres::shared(), Redis::shared());
    let (database, prefix) = (postgres.database(), redis.prefix());
    println!("{database}\n{}\n{prefix}", redis.url());
    // Until Ctrl-C.
    loop {
        std::thread::park();
    }
}
