//! Our store keeps the port's contract.

use std::sync::Arc;

use domain::ports::UserRepo;
use pigeon_post::Phonebook;

async fn open() -> Arc<dyn UserRepo> {
    Arc::new(Phonebook::default())
}

conformance::user_repo_laws!(open);
