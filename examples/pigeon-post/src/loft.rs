//! A gateway: each message is a file in a folder, for a pigeon to carry.

use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use domain::message::SmsMessage;
use domain::ports::{Receipt, SmsError, SmsSender};

/// Where the pigeons live.
pub struct Loft {
    folder: PathBuf,
}

impl Loft {
    /// A loft in that folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn keep(&self, message: &SmsMessage) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(format!("{}.txt", message.id));
        let letter = format!("To: {}\n\n{}\n", message.to.as_e164(), message.text.as_str());
        std::fs::write(path, letter)
    }
}

#[async_trait]
impl SmsSender for Loft {
    async fn send(&self, message: &SmsMessage) -> Result<Receipt, SmsError> {
        // No file, no pigeon: surely not sent, so the person's allowance goes back.
        self.keep(message).map_err(|error| SmsError::Unavailable(error.into()))?;
        Ok(Receipt { gateway: "loft".to_owned(), message_id: Some(message.id.clone()) })
    }

    async fn health(&self) -> Result<(), SmsError> {
        std::fs::create_dir_all(&self.folder).map_err(|error| SmsError::Misconfigured(error.into()))
    }
}
