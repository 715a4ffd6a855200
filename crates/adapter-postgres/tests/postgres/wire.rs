//! The network between a store and its server, where one can listen and cut.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use servers::psql;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::support::own_server;

#[derive(Default)]
pub(crate) struct Wire {
    server_spoke: AtomicBool,
    round_trips: AtomicU32,
    cut: AtomicBool,
    /// Words of the server, and what is passed on in their place.
    replaced: Mutex<Vec<[[u8; 6]; 2]>>,
    /// Connections made before were forgotten by something on the way.
    forgotten: AtomicU32,
}

impl Wire {
    /// One before a new database, and the URL that leads there through it.
    pub(crate) async fn to_new_database() -> (Arc<Self>, String) {
        let wire = Arc::new(Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (here, there) = (listener.local_addr().unwrap().port(), own_server().port());
        tokio::spawn(wire.clone().serve(listener, there));
        let url = own_server().database();
        (wire, url.replace(&there.to_string(), &here.to_string()))
    }

    /// How often the client spoke after the server did, since this was last asked.
    pub(crate) fn take_round_trips(&self) -> u32 {
        self.round_trips.swap(0, Ordering::SeqCst)
    }

    /// Does not pass on the server's next answer, but hangs up.
    pub(crate) fn cut_before_the_answer(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    /// Has the server name the severity of its errors in another language.
    pub(crate) fn translate(&self) {
        self.replace([*b"SFATAL", *b"SFATAR"]);
    }

    /// Leaves out the severity that is in no language, as PgBouncer does.
    pub(crate) fn pool(&self) {
        self.replace([*b"VFATAL", *b"WFATAL"]);
    }

    /// Has the server be of another major version.
    pub(crate) fn age(&self, version: u8) {
        let asked = "SELECT current_setting('server_version_num')::int / 10000";
        let found = psql(own_server().url(), asked).parse().unwrap();
        // The end of a row with one number of four bytes.
        let number = |number| [0, 4, 0, 0, 0, number];
        self.replace([number(found), number(version)]);
    }

    fn replace(&self, words: [[u8; 6]; 2]) {
        self.replaced.lock().unwrap().push(words);
    }

    /// Passes nothing more on from the connections there are, and tells nobody.
    pub(crate) fn forget_connections(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
    }

    async fn serve(self: Arc<Self>, listener: TcpListener, server: u16) {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let wire = self.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = wire.pass(from_client, to_server, false) => {}
                    () = wire.pass(from_server, to_client, true) => {}
                }
            });
        }
    }

    async fn pass(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, is_server: bool) {
        let mut data = [0; 65_536];
        let born = self.forgotten.load(Ordering::SeqCst);
        while let Ok(read @ 1..) = from.read(&mut data).await {
            if self.forgotten.load(Ordering::SeqCst) > born {
                std::future::pending().await
            }
            if self.server_spoke.swap(is_server, Ordering::SeqCst) && !is_server {
                self.round_trips.fetch_add(1, Ordering::SeqCst);
            }
            if is_server && self.cut.swap(false, Ordering::SeqCst) {
                return;
            }
            if is_server {
                for [word, by] in &*self.replaced.lock().unwrap() {
                    replace(&mut data, word, by);
                }
            }
            if to.write_all(&data[..read]).await.is_err() {
                return;
            }
        }
    }
}

fn replace(data: &mut [u8], word: &[u8; 6], by: &[u8; 6]) {
    if let Some(at) = data.windows(6).position(|found| found == word) {
        data[at..at + 6].copy_from_slice(by);
    }
}
