/// Gives random bytes. The only source the domain knows, so that tests choose them.
///
/// # Contract
/// - The bytes are unpredictable: from the operating system, or a generator seeded by it.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}
