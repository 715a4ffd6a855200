//! The use cases: the one façade that the handlers call.

/// A message on its way to a gateway.
pub struct SendJob {}
