use crate::timestamp::Timestamp;

/// Tells the time. The only clock the domain knows, so that tests set it.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Clock: Send + Sync {
    /// The current moment.
    fn now(&self) -> Timestamp;
}
