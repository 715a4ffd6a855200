//! The product's calls, as a client of it makes them.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;

use crate::Result;
use crate::http::{Client, delete, get, post};
use crate::load::{CONNECTIONS, Until, drive};
use crate::server::Server;

/// A mobile number that nothing in this run used before, its neighbours far apart.
pub(crate) fn fresh_phone() -> String {
    static USED: AtomicU64 = AtomicU64::new(0);
    // Odd and no multiple of 5, so all 10^8 numbers come before one repeats.
    let scattered = USED.fetch_add(1, Ordering::Relaxed) * 61_803_399 % 100_000_000;
    format!("+86139{scattered:08}")
}

/// Asks for a code.
pub(crate) fn ask(phone: &str) -> Vec<u8> {
    post("/v1/phone-codes", &format!(r#"{{"phone":"{phone}"}}"#))
}

/// Signs in.
pub(crate) fn sign_in(proof: &Proof) -> Vec<u8> {
    let Proof { id, code } = proof;
    post(
        "/v1/sessions",
        &format!(r#"{{"phone_code_id":"{id}","code":"{code}"}}"#),
    )
}

/// Asks who is signed in.
pub(crate) fn session_check(access_token: &str) -> Vec<u8> {
    get("/v1/sessions/current", &bearer(access_token))
}

/// Exchanges a refresh token.
pub(crate) fn refresh(tokens: &Tokens) -> Vec<u8> {
    let token = &tokens.refresh_token;
    post(
        "/v1/sessions/refresh",
        &format!(r#"{{"refresh_token":"{token}"}}"#),
    )
}

/// Signs out.
pub(crate) fn sign_out(access_token: &str) -> Vec<u8> {
    delete("/v1/sessions/current", &bearer(access_token))
}

fn bearer(access_token: &str) -> String {
    format!("authorization: Bearer {access_token}\r\n")
}

/// What signs somebody in, once.
pub(crate) struct Proof {
    pub(crate) id: String,
    pub(crate) code: String,
}

#[derive(Deserialize)]
struct PhoneCode {
    id: String,
}

#[derive(Deserialize)]
struct Outbox {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    text: String,
}

/// What a session is held by.
#[derive(Deserialize)]
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

/// Asks for a code and reads it from the stub gateway's outbox.
pub(crate) async fn prove(client: &mut Client) -> Result<Proof> {
    let phone = fresh_phone();
    let asked: PhoneCode = serde_json::from_slice(client.expect(&ask(&phone)).await?)?;
    let path = format!("/dev/outbox?to=%2B{}", &phone[1..]);
    let look = get(&path, "accept: application/json\r\n");
    for _ in 0..2000 {
        let outbox: Outbox = serde_json::from_slice(client.expect(&look).await?)?;
        if let Some((_, code)) = outbox
            .messages
            .first()
            .and_then(|m| m.text.rsplit_once('#'))
        {
            return Ok(Proof {
                id: asked.id,
                code: code.to_owned(),
            });
        }
        // The message is with the dispatcher: leave it the core.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Err(format!("no message for {phone} in the outbox").into())
}

/// A whole sign-in.
pub(crate) async fn flow(client: &mut Client) -> Result<Tokens> {
    let proof = prove(client).await?;
    Ok(serde_json::from_slice(
        client.expect(&sign_in(&proof)).await?,
    )?)
}

/// So many proofs, not used yet.
pub(crate) async fn proofs(server: &Server, count: usize) -> Result<Vec<Proof>> {
    collect(server, count, prove).await
}

/// The access tokens of so many new sessions, each of a new user.
pub(crate) async fn access_tokens(server: &Server, count: usize) -> Result<Vec<String>> {
    collect(server, count, async |client| {
        flow(client).await.map(|tokens| tokens.access_token)
    })
    .await
}

async fn collect<T, F>(server: &Server, count: usize, make: F) -> Result<Vec<T>>
where
    F: AsyncFn(&mut Client) -> Result<T>,
{
    let made = RefCell::new(Vec::with_capacity(count));
    drive(
        &[server.address],
        CONNECTIONS,
        Until::Count(count),
        async |client, _| {
            let one = make(client).await?;
            made.borrow_mut().push(one);
            Ok(())
        },
    )
    .await?;
    Ok(made.into_inner())
}
