//! What the arguments of a call mean.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Result;
use crate::wire::{Argument, Bytes, Call};

/// An argument's value. One of Redis is always bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
    Address(IpAddr),
    List(Vec<Value>),
}

/// PostgreSQL's types that the product's statements have: number, name, and that of the elements.
/// The numbers are `oid` in its `pg_type.dat`.
const TYPES: [(u32, &str, Option<u32>); 12] = [
    (16, "boolean", None),
    (17, "bytea", None),
    (20, "bigint", None),
    (21, "smallint", None),
    (23, "integer", None),
    (25, "text", None),
    (869, "inet", None),
    (1001, "bytea[]", Some(17)),
    (1005, "smallint[]", Some(21)),
    (1007, "integer[]", Some(23)),
    (1009, "text[]", Some(25)),
    (1016, "bigint[]", Some(20)),
];

fn find(kind: u32) -> Result<(&'static str, Option<u32>)> {
    let found = TYPES.iter().find(|(number, ..)| *number == kind);
    let (_, name, of) =
        found.ok_or_else(|| format!("PostgreSQL's type {kind} is not known here"))?;
    Ok((name, *of))
}

/// The name of a type of PostgreSQL's.
pub(crate) fn type_name(kind: u32) -> Result<&'static str> {
    find(kind).map(|(name, _)| name)
}

impl Value {
    /// The value of an argument, which PostgreSQL got in its binary form.
    pub(crate) fn of(argument: &Argument) -> Result<Self> {
        let Some(bytes) = &argument.value else {
            return Ok(Self::Null);
        };
        let kind = argument.kind;
        if kind == 0 {
            return Ok(Self::Bytes(bytes.clone()));
        }
        let value = match find(kind)?.1 {
            Some(of) => list(of, bytes),
            None => single(kind, bytes),
        };
        value.ok_or_else(|| format!("no value of PostgreSQL's type {kind}: {bytes:?}").into())
    }

    /// Adds the bytes that it is or has.
    fn bytes_into(self, all: &mut Vec<Vec<u8>>) {
        match self {
            Self::Bytes(bytes) => all.push(bytes),
            Self::List(values) => values.into_iter().for_each(|value| value.bytes_into(all)),
            _ => {}
        }
    }
}

fn single(kind: u32, bytes: &[u8]) -> Option<Value> {
    Some(match kind {
        16 => Value::Bool(bytes == [1]),
        17 => Value::Bytes(bytes.to_vec()),
        20 => Value::Number(i64::from_be_bytes(bytes.try_into().ok()?)),
        21 => Value::Number(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        23 => Value::Number(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        25 => Value::Text(String::from_utf8(bytes.to_vec()).ok()?),
        // Family, bits, whether it is a network, length; then the address.
        869 => match bytes.split_at_checked(4)?.1 {
            v4 if v4.len() == 4 => {
                Value::Address(Ipv4Addr::from_octets(v4.try_into().ok()?).into())
            }
            v6 => Value::Address(Ipv6Addr::from_octets(v6.try_into().ok()?).into()),
        },
        _ => return None,
    })
}

/// Dimensions, whether there are NULLs, type; of each dimension its length and first index; then
/// of each element its length and itself.
fn list(of: u32, bytes: &[u8]) -> Option<Value> {
    let mut rest = Bytes(bytes);
    let dimensions = rest.u32().ok()?;
    rest.take(8).ok()?;
    let mut count = 0;
    for _ in 0..dimensions {
        count = rest.u32().ok()?;
        rest.take(4).ok()?;
    }
    let mut values = Vec::new();
    for _ in 0..count {
        values.push(match rest.u32().ok()? {
            u32::MAX => Value::Null,
            length => single(of, rest.take(length as usize).ok()?)?,
        });
    }
    Some(Value::List(values))
}

impl Call {
    /// The bytes among its arguments, also those in lists.
    pub(crate) fn byte_strings(&self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for value in self.arguments.iter().filter_map(|a| Value::of(a).ok()) {
            value.bytes_into(&mut all);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(kind: u32, bytes: &[u8]) -> Value {
        let value = Some(bytes.to_vec());
        Value::of(&Argument { kind, value }).unwrap()
    }

    #[test]
    fn values_are_read_from_the_binary_form() {
        assert_eq!(value(20, &(-7_i64).to_be_bytes()), Value::Number(-7));
        assert_eq!(value(16, &[1]), Value::Bool(true));
        let home = Value::Address(IpAddr::from([127, 0, 0, 1]));
        assert_eq!(value(869, &[2, 32, 0, 4, 127, 0, 0, 1]), home);
        let list = b"\0\0\0\x01\0\0\0\0\0\0\0\x11\0\0\0\x02\0\0\0\x01\0\0\0\x01a\xff\xff\xff\xff";
        let both = Value::List(vec![Value::Bytes(b"a".to_vec()), Value::Null]);
        assert_eq!(value(1001, list), both);
    }

    #[test]
    fn a_type_that_nobody_taught_it_is_an_error() {
        let value = Some(Vec::new());
        assert!(Value::of(&Argument { kind: 600, value }).is_err());
    }
}
