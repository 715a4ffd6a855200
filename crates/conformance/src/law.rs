use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

/// A law that a port does not keep.
#[derive(Debug, thiserror::Error)]
#[error("the law `{law}` is broken: {why}")]
pub struct Broken {
    /// The name of the law: the path of its function.
    pub law: &'static str,
    /// What was seen instead.
    pub why: String,
}

/// Waits for one law.
///
/// # Errors
/// [`Broken`], if it panics.
pub async fn check(law: &'static str, run: impl Future<Output = ()>) -> Result<(), Broken> {
    let outcome = AssertUnwindSafe(run).catch_unwind().await;
    outcome.map_err(|panic| Broken {
        law,
        why: words_of(&*panic),
    })
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

/// Makes a test of every law. `$open` is an async function that opens an empty store.
#[doc(hidden)]
#[macro_export]
macro_rules! test_laws {
    (
        $port:ident, $tests:ident, $open:expr,
        laws: [$($law:ident,)*],
        $(sweeping: [$($sweeping:ident,)*],)?
        races: [$($race:ident,)*]
    ) => {
        mod $tests {
            #[allow(unused_imports, reason = "`open` may be a closure that needs nothing of it")]
            use super::*;

            $(#[tokio::test]
            async fn $law() {
                let port = ($open)().await;
                $crate::$port::$law(&*port).await;
            })*

            $($(#[tokio::test]
            async fn $sweeping() {
                let port = ($open)().await;
                $crate::$port::$sweeping(&*port).await;
            })*)?

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $race() {
                let port = ($open)().await;
                $crate::$port::$race(port, |task| drop(tokio::spawn(task))).await;
            })*
        }
    };
}

/// Makes a test of every law, but for those of a `sweep` that removes what is over.
#[doc(hidden)]
#[macro_export]
macro_rules! test_laws_but_sweeping {
    (
        $port:ident, $tests:ident, $open:expr,
        laws: $laws:tt, sweeping: $sweeping:tt, races: $races:tt
    ) => {
        $crate::test_laws! { $port, $tests, $open, laws: $laws, races: $races }
    };
}

/// Checks every law, one after another.
macro_rules! check_laws {
    (
        $port:ident, $store:ident, $spawn:expr,
        laws: [$($law:ident,)*],
        $(sweeping: [$($sweeping:ident,)*],)?
        races: [$($race:ident,)*]
    ) => {{
        $($crate::check(concat!(stringify!($port), "::", stringify!($law)), $law(&*$store)).await?;)*
        $($($crate::check(concat!(stringify!($port), "::", stringify!($sweeping)), $sweeping(&*$store)).await?;)*)?
        $($crate::check(concat!(stringify!($port), "::", stringify!($race)), $race($store.clone(), $spawn)).await?;)*
        Ok(())
    }};
}

pub(crate) use check_laws;
