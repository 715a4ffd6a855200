use crate::event::Event;

/// Hears what happened: logs, metrics, audit.
///
/// # Contract
/// - `record` returns at once. A sink that does slow work queues it and drops what it cannot hold:
///   an audit trail never stands in the way of a sign-in.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait EventSink: Send + Sync {
    /// Hears one event.
    fn record(&self, event: &Event);
}
