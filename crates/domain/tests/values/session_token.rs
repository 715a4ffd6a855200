//! Tokens of sessions: made by us, for one use, unchanged.

use data_encoding::BASE64URL_NOPAD;
use domain::id::SessionId;
use domain::session::{Caller, SessionToken};
use domain::vault::{TokenUse, Vault};
use proptest::prelude::*;

use crate::{Counting, vault};

fn generate(usage: TokenUse, session: [u8; 16], vault: &Vault) -> SessionToken {
    let session = SessionId::from_bytes(session);
    SessionToken::generate(usage, session, vault, &Counting::default())
}

fn parse(usage: TokenUse, text: &str, vault: &Vault) -> Option<SessionToken> {
    SessionToken::parse(usage, text, vault)
}

proptest! {
    #[test]
    fn a_token_reads_back_for_its_use_and_for_no_other(session in any::<[u8; 16]>()) {
        let vault = vault(&[1], 1);
        let uses = [TokenUse::Refresh, TokenUse::Cookie];
        for (own, other) in [(0, 1), (1, 0)] {
            let token = generate(uses[own], session, &vault);
            let read = parse(uses[own], token.expose(), &vault);
            prop_assert_eq!(read.as_ref(), Some(&token));
            prop_assert_eq!(token.session(), SessionId::from_bytes(session));
            prop_assert_eq!(token.expose().len(), 86);
            prop_assert_eq!(parse(uses[other], token.expose(), &vault), None);
        }
    }

    #[test]
    fn a_token_of_an_older_key_is_ours_and_one_of_a_stranger_is_not(
        session in any::<[u8; 16]>(),
    ) {
        let token = generate(TokenUse::Refresh, session, &vault(&[1], 1));
        let reads = |vault| parse(TokenUse::Refresh, token.expose(), &vault).is_some();
        prop_assert!(reads(vault(&[1, 2], 2)));
        prop_assert!(!reads(vault(&[2], 2)));
    }

    #[test]
    fn any_text_is_refused(text in ".{0,100}", word in "[A-Za-z0-9_-]{86}") {
        let vault = vault(&[1], 1);
        prop_assert_eq!(parse(TokenUse::Refresh, &text, &vault), None);
        prop_assert_eq!(parse(TokenUse::Cookie, &word, &vault), None);
    }

    #[test]
    fn a_user_agent_is_cut_at_a_character(text in ".*") {
        let caller = Caller::new([192, 0, 2, 1].into(), Some(&text));
        let kept = caller.user_agent.unwrap();
        prop_assert!(text.starts_with(&kept));
        prop_assert!(kept.len() <= 256 && kept.len() >= text.len().min(253));
    }
}

#[test]
fn every_flipped_bit_and_every_other_spelling_of_a_token_is_refused() {
    let vault = vault(&[1], 1);
    let token = generate(TokenUse::Refresh, [7; 16], &vault);
    let bytes = BASE64URL_NOPAD.decode(token.expose().as_bytes()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let text = BASE64URL_NOPAD.encode(&changed);
        assert_eq!(parse(TokenUse::Refresh, &text, &vault), None, "bit {bit}");
    }
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. ";
    for at in 0..token.expose().len() {
        for letter in alphabet {
            let mut text = token.expose().to_owned().into_bytes();
            let same = std::mem::replace(&mut text[at], *letter) == *letter;
            let text = String::from_utf8(text).unwrap();
            let read = parse(TokenUse::Refresh, &text, &vault);
            assert_eq!(read.is_some(), same, "{} at {at}", char::from(*letter));
        }
    }
}

#[test]
fn a_digest_is_of_the_whole_token() {
    let (vault, entropy) = (vault(&[1], 1), Counting::default());
    let session = SessionId::from_bytes([7; 16]);
    let [first, second] =
        [(); 2].map(|()| SessionToken::generate(TokenUse::Refresh, session, &vault, &entropy));
    assert_ne!(first.expose(), second.expose());
    assert_ne!(first.digest(), second.digest());
    assert_eq!(first.digest(), first.clone().digest());
}
