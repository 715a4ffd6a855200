//! A gateway and a store of our own, in our own repository.

mod loft;
mod phonebook;

pub use loft::Loft;
pub use phonebook::Phonebook;
