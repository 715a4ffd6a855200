use crate::auth::SendJob;

/// The queue of messages has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the send queue is full")]
pub struct QueueFull;

/// Holds messages until a worker hands them to [`Auth::deliver`].
///
/// # Contract
/// - A place once reserved is there: `fill` cannot fail, so that an accepted message is never lost
///   to a full queue.
/// - A slot dropped without `fill` gives its place back.
///
/// [`Auth::deliver`]: crate::auth::Auth::deliver
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait SendQueue: Send + Sync {
    /// Reserves a place for one message.
    ///
    /// # Errors
    /// [`QueueFull`]: the caller answers that it is busy.
    fn reserve(&self) -> Result<Box<dyn SendSlot>, QueueFull>;
}

/// A place in the queue.
pub trait SendSlot: Send {
    /// Puts the message into the place.
    fn fill(self: Box<Self>, job: SendJob);
}
