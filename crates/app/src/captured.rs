//! What is logged, for tests that read it.

use std::sync::Arc;

use parking_lot::Mutex;
use tracing::subscriber::{DefaultGuard, set_default};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that this thread logs from `info` up, for as long as it is kept.
pub(crate) struct Log {
    lines: Lines,
    _logging: DefaultGuard,
}

impl Log {
    pub(crate) fn capture() -> Self {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone());
        Self {
            lines,
            _logging: set_default(subscriber.finish()),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.lines.0.lock()).into_owned()
    }
}
