//! The locks that everything here stands on.

#[cfg(not(test))]
pub(crate) use parking_lot::{Mutex, MutexGuard, RwLock};

#[cfg(test)]
pub(crate) use explored::{Mutex, MutexGuard, RwLock};

/// Loom's, in the clothes of the others: whoever takes one may be overtaken there.
#[cfg(test)]
mod explored {
    use loom::sync::{self, RwLockReadGuard, RwLockWriteGuard};

    pub(crate) use loom::sync::MutexGuard;

    #[derive(Default)]
    pub(crate) struct Mutex<T>(sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }

    #[derive(Default)]
    pub(crate) struct RwLock<T>(sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap()
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap()
        }
    }
}
