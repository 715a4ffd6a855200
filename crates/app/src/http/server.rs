//! Servers: a listener, its workers and their deadlines.

use std::future::ready;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpService, KeepAlive};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::rt::net::TcpStream;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, Error};
use domain::ports::Entropy;

use super::connection::{Connection, Deadlines};
use super::observe::{RequestIds, RouteMetrics, observe};
use super::{AppState, docs, keys, ops, short, v1};

/// How long a connection may take to end once it is to be closed.
const DISCONNECT_DEADLINE: Duration = Duration::from_secs(1);

/// How a server runs.
#[derive(Debug, Clone, Copy)]
pub struct ServerSettings {
    /// Worker threads, at least one.
    pub workers: usize,
    /// Open connections per worker; further ones wait to be accepted.
    pub max_connections: usize,
    /// How long requests under way may take to end once the server is told to stop, in seconds.
    pub shutdown_timeout: u64,
}

/// The server of both faces, the keys, the pages and the documentation.
///
/// `pages` adds the routes of the pages. It is a future that serves until it is told to stop through
/// [`Server::handle`]; stopping gracefully ends the requests under way first.
///
/// # Errors
/// What the operating system says of `listener`.
pub fn public_server(
    listener: TcpListener,
    settings: ServerSettings,
    state: AppState,
    pages: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<Server> {
    let entropy = Arc::clone(&state.auth.ports().entropy);
    serve(listener, settings, entropy, public_routes(state, pages))
}

/// The server of `/healthz`, `/readyz` and `/metrics`, for a listener that the public cannot reach.
///
/// # Errors
/// As [`public_server`].
pub fn ops_server(
    listener: TcpListener,
    settings: ServerSettings,
    state: AppState,
) -> io::Result<Server> {
    let entropy = Arc::clone(&state.auth.ports().entropy);
    serve(listener, settings, entropy, ops_routes(state))
}

/// Every route of the operations listener.
pub(super) fn ops_routes(state: AppState) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let state = Data::new(state);
    move |config| {
        config.app_data(state.clone()).configure(ops::configure);
    }
}

/// Every route of the public listener.
pub(super) fn public_routes(
    state: AppState,
    pages: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let (short_contract, docs) = (state.short_contract, state.docs);
    let state = Data::new(state);
    move |config| {
        config
            .app_data(state.clone())
            .configure(v1::configure)
            .configure(keys::configure);
        if short_contract {
            short::configure(config);
        }
        if docs {
            docs::configure(config);
        }
        config.configure(&pages);
    }
}

/// What `routes` sets up, behind the one layer that every route shares.
pub(super) fn app(
    ids: RequestIds,
    routes: impl FnOnce(&mut ServiceConfig),
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse,
        Error = Error,
        InitError = (),
    >,
> {
    let ids = Rc::new(ids);
    App::new()
        .app_data(RouteMetrics::new("none"))
        .configure(routes)
        .wrap_fn(move |request, service| observe(&ids, request, service))
}

/// Serves `routes` on `listener`.
///
/// Signals are left to the caller: it stops the server through [`Server::handle`].
fn serve(
    listener: TcpListener,
    settings: ServerSettings,
    entropy: Arc<dyn Entropy>,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<Server> {
    let builder = Server::build()
        .workers(settings.workers)
        .max_concurrent_connections(settings.max_connections)
        .shutdown_timeout(settings.shutdown_timeout)
        .disable_signals();
    let shutdown = builder.graceful_shutdown_signal();
    let server = builder.listen("http", listener, move || {
        let shutdown = shutdown.clone();
        let app = app(RequestIds::new(&*entropy), routes.clone()).into_factory();
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let shutdown = shutdown.clone();
                async move { shutdown.notified().await }
            })
            // The connection's own timer does this for less.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Deadlines::DEFAULT.head)
            .client_disconnect_timeout(DISCONNECT_DEADLINE)
            .on_connect_ext(|connection: &Connection, data| {
                data.insert(connection.pace());
            })
            .h1(map_config(app, |()| AppConfig::default()));
        fn_service(|stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            // An answer is one write: there is nothing to wait for and to send along with it. On a
            // socket that refuses, answers are slower, not wrong.
            let _ = stream.set_nodelay(true);
            ready(Ok((Connection::new(stream, Deadlines::DEFAULT), peer)))
        })
        .and_then(http)
    })?;
    Ok(server.run())
}

#[cfg(test)]
mod tests;
