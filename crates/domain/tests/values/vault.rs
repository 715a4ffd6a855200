//! Sealing phones, deriving digits, rotating keys.

use std::collections::HashSet;

use domain::code::CodeLength;
use domain::id::PhoneCodeId;
use domain::phone::{Country, PhoneNumber};
use domain::rate_limit::Scope;
use domain::vault::{KeyId, SealedPhone, Vault, VaultError};
use proptest::prelude::*;

use crate::{Counting, vault};

/// A Chinese mobile number, of which there are a hundred million with this prefix.
fn phone(number: u32) -> PhoneNumber {
    PhoneNumber::parse(&format!("+86138{number:08}"), Country::WORLD).unwrap()
}

fn phones() -> impl Strategy<Value = PhoneNumber> {
    (0..100_000_000_u32).prop_map(phone)
}

fn digits(vault: &Vault, key: u32, id: [u8; 16], salt: [u8; 16]) -> String {
    let length = CodeLength::new(10).unwrap();
    let id = PhoneCodeId::from_bytes(id);
    let code = vault.digits(KeyId(key), id, &salt, length).unwrap();
    code.expose().to_owned()
}

proptest! {
    #[test]
    fn a_sealed_phone_reads_back(phone in phones()) {
        let vault = vault(&[1], 1);
        let sealed = vault.seal(&phone, &Counting::default());
        prop_assert_eq!(vault.open(&sealed), Ok(phone));
        prop_assert!(sealed.sealed().len() <= 64);
    }

    #[test]
    fn a_phone_has_one_index_and_no_ciphertext_twice(phone in phones(), other in phones()) {
        let (vault, entropy) = (vault(&[1], 1), Counting::default());
        let [first, second] = [(); 2].map(|()| vault.seal(&phone, &entropy));
        prop_assert_eq!(first.index(), second.index());
        prop_assert_ne!(first.sealed(), second.sealed());
        let elsewhere = vault.seal(&other, &entropy);
        prop_assert_eq!(first.index() == elsewhere.index(), phone == other);
    }

    #[test]
    fn no_byte_of_a_sealed_phone_can_be_changed(
        phone in phones(),
        at in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let vault = vault(&[1], 1);
        let sealed = vault.seal(&phone, &Counting::default());
        let mut bytes = sealed.sealed().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let opened = vault.open(&SealedPhone::from_stored(*sealed.index(), bytes));
        let of_the_key_id = matches!(opened, Err(VaultError::UnknownKey(_)));
        prop_assert_eq!(of_the_key_id, at < 4);
        prop_assert!(of_the_key_id || opened == Err(VaultError::Corrupt));
    }

    #[test]
    fn a_ciphertext_does_not_open_in_another_row(phone in phones(), other in phones()) {
        prop_assume!(phone != other);
        let (vault, entropy) = (vault(&[1], 1), Counting::default());
        let (sealed, elsewhere) = (vault.seal(&phone, &entropy), vault.seal(&other, &entropy));
        let moved = SealedPhone::from_stored(*elsewhere.index(), sealed.sealed());
        prop_assert_eq!(vault.open(&moved), Err(VaultError::Corrupt));
    }

    #[test]
    fn any_stored_bytes_open_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let vault = vault(&[1], 1);
        let index = *vault.seal(&phone(0), &Counting::default()).index();
        prop_assert!(vault.open(&SealedPhone::from_stored(index, bytes)).is_err());
    }

    #[test]
    fn old_phones_read_and_are_found_under_any_key_and_new_ones_use_the_current(
        phone in phones(),
    ) {
        let entropy = Counting::default();
        let old = vault(&[1], 1).seal(&phone, &entropy);
        let both = vault(&[1, 2], 2);
        prop_assert_eq!(both.open(&old), Ok(phone.clone()));
        let new = both.seal(&phone, &entropy);
        prop_assert_eq!(&new.sealed()[..4], &[0, 0, 0, 2]);
        let indexes = both.indexes(&phone);
        prop_assert_eq!(&indexes, &[*new.index(), *old.index()]);
        let only_new = vault(&[2], 2);
        prop_assert_eq!(only_new.open(&new), Ok(phone));
        prop_assert_eq!(only_new.open(&old), Err(VaultError::UnknownKey(KeyId(1))));
    }

    #[test]
    fn digits_repeat_for_a_code_and_differ_for_any_other(
        id in any::<[u8; 16]>(),
        salt in any::<[u8; 16]>(),
        bit in 0..128_usize,
    ) {
        let vault = vault(&[1, 2], 2);
        let own = digits(&vault, 1, id, salt);
        prop_assert_eq!(&digits(&vault, 1, id, salt), &own);
        prop_assert_eq!(&digits(&crate::vault(&[1], 1), 1, id, salt), &own, "rotation");
        let flipped = |mut bytes: [u8; 16]| {
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        };
        prop_assert_ne!(&digits(&vault, 1, flipped(id), salt), &own);
        prop_assert_ne!(&digits(&vault, 1, id, flipped(salt)), &own);
        prop_assert_ne!(&digits(&vault, 2, id, salt), &own);
    }

    #[test]
    fn a_counter_is_kept_under_one_key_while_keys_come(subject in any::<Vec<u8>>()) {
        let key = |vault: &Vault, scope| vault.counter_key(scope, &subject);
        let (old, new) = (vault(&[1], 1), vault(&[1, 2, 3], 3));
        prop_assert_eq!(key(&old, Scope::SendsPerPhone), key(&new, Scope::SendsPerPhone));
        prop_assert_ne!(key(&old, Scope::SendsPerPhone), key(&old, Scope::FailuresPerPhone));
        prop_assert_ne!(key(&old, Scope::SendsPerPhone), key(&vault(&[2], 2), Scope::SendsPerPhone));
    }

    #[test]
    fn an_idempotency_key_names_one_code_on_every_process(key in ".*", other in ".*") {
        let id = vault(&[1], 1).code_id_for(&key, 7);
        prop_assert_eq!(vault(&[1, 2], 2).code_id_for(&key, 7), id);
        prop_assert_eq!(vault(&[1], 1).code_id_for(&other, 7) == id, key == other);
    }
}

/// Chi-squared over the ten digits of each place; 30 is exceeded once in 2,000 fair draws, and
/// the draws are the same in every run.
#[test]
fn each_digit_of_a_code_is_as_likely_as_any_other() {
    let vault = vault(&[1], 1);
    let length = CodeLength::new(6).unwrap();
    let mut seen = [[0_u32; 10]; 6];
    let mut codes = HashSet::new();
    for n in 0..10_000_u128 {
        let id = PhoneCodeId::from_bytes(n.to_be_bytes());
        let code = vault.digits(KeyId(1), id, &[0; 16], length).unwrap();
        codes.insert(code.expose().to_owned());
        for (place, digit) in code.expose().bytes().enumerate() {
            seen[place][usize::from(digit - b'0')] += 1;
        }
    }
    for place in seen {
        let off = |n: &u32| (f64::from(*n) - 1000.0).powi(2) / 1000.0;
        let chi_squared: f64 = place.iter().map(off).sum();
        assert!(chi_squared < 30.0, "{place:?}");
    }
    assert!(codes.len() > 9_900, "{}", codes.len());
}

#[test]
fn keys_that_make_no_vault_are_named() {
    let (long, short) = (&[1; 32][..], &[1; 31][..]);
    let make = |keys: &[(u32, &[u8])], current| {
        let keys: Vec<_> = keys.iter().map(|(id, key)| (KeyId(*id), *key)).collect();
        Vault::new(&keys, KeyId(current)).map(drop)
    };
    assert_eq!(make(&[], 1), Err(VaultError::NoCurrentKey));
    assert_eq!(make(&[(1, long)], 2), Err(VaultError::NoCurrentKey));
    assert_eq!(make(&[(7, short)], 7), Err(VaultError::TooShort(KeyId(7))));
    assert_eq!(
        make(&[(3, long), (1, long), (3, long)], 1),
        Err(VaultError::Repeated(KeyId(3)))
    );
    assert_eq!(make(&[(2, long), (1, long)], 1), Ok(()));
}

#[test]
fn a_rotation_can_be_taken_back() {
    let (both, phone) = (vault(&[1, 2], 1), phone(0));
    let newer = vault(&[1, 2], 2).seal(&phone, &Counting::default());
    assert_eq!(both.open(&newer), Ok(phone.clone()));
    assert!(both.indexes(&phone).contains(newer.index()));
    assert_eq!(both.current_key(), KeyId(1));
}
