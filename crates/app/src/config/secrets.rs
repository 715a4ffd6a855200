//! Secrets: given themselves or by a file, and hidden.

use zeroize::Zeroizing;

use super::entry::Secret;
use super::reader::Reader;
use super::server_url::ServerUrl;

/// Where a secret is given.
pub(super) enum Place {
    Here,
    File,
    Nowhere,
}

/// The key that names a file with the secret in it.
fn file_key(key: &str) -> String {
    format!("{key}_file")
}

impl Reader {
    /// A secret, or what is in the file that the key with `_file` added names; `None` in `Some` if
    /// neither is there.
    pub(super) fn secret(&mut self, key: &str) -> Option<Option<Secret>> {
        match self.place(key)? {
            Place::Here => self.optional(key, "a text", |e| e.scalar().map(Secret::new)),
            Place::File => self.secret_file(&file_key(key)).map(Some),
            Place::Nowhere => Some(None),
        }
    }

    /// The layer that gives a value; later ones are greater, `None` is nobody.
    pub(super) fn rank(&mut self, key: &str) -> Option<u8> {
        self.entry(key).map(|entry| entry.layer.rank())
    }

    /// The same of a secret, which a file may give.
    pub(super) fn secret_rank(&mut self, key: &str) -> Option<u8> {
        self.hidden.insert(key.to_owned());
        self.rank(key).max(self.rank(&file_key(key)))
    }

    /// Whether a secret is given itself or by a file, whichever came later.
    pub(super) fn place(&mut self, key: &str) -> Option<Place> {
        self.hidden.insert(key.to_owned());
        let file_key = file_key(key);
        match (self.rank(key), self.rank(&file_key)) {
            (None, None) => Some(Place::Nowhere),
            (here, file) if here > file => Some(Place::Here),
            (here, file) if here < file => Some(Place::File),
            _ => {
                self.refuse(
                    key,
                    format!("stands beside {file_key}: write one of the two"),
                );
                None
            }
        }
    }

    /// The URL of a server, which has to be there.
    pub(super) fn url(&mut self, key: &str, schemes: &[&str], want: &str) -> Option<ServerUrl> {
        self.urls.insert(key.to_owned());
        let text = self.secret(key)?;
        let url = text.and_then(|text| ServerUrl::parse(text.expose(), schemes));
        self.or_refuse(url, key, want)
    }

    /// URLs of servers, at least one; in a file, one a line.
    pub(super) fn urls(
        &mut self,
        key: &str,
        schemes: &[&str],
        want: &str,
    ) -> Option<Vec<ServerUrl>> {
        self.urls.insert(key.to_owned());
        let texts = match self.place(key)? {
            Place::File => {
                let file = self.secret_file(&file_key(key))?;
                Some(
                    file.expose()
                        .lines()
                        .map(|line| line.trim().to_owned())
                        .collect(),
                )
            }
            _ => self.entry(key).and_then(|entry| entry.list()),
        };
        let parse = |text: &String| ServerUrl::parse(text, schemes);
        let urls = texts.and_then(|texts: Vec<_>| texts.iter().map(parse).collect());
        let urls = urls.filter(|urls: &Vec<_>| !urls.is_empty());
        self.or_refuse(urls, key, want)
    }

    /// What was read, unless it is at fault where it is given.
    fn or_refuse<T>(&mut self, read: Option<T>, key: &str, want: &str) -> Option<T> {
        if read.is_none() {
            let given_at = match self.place(key)? {
                Place::File => file_key(key),
                _ => key.to_owned(),
            };
            let remedy = format!("write {want}, special characters percent-encoded (@ as %40)");
            self.refuse_value(&given_at, &remedy);
        }
        read
    }

    fn secret_file(&mut self, key: &str) -> Option<Secret> {
        let path = self.path(key)?;
        match std::fs::read_to_string(&path).map(Zeroizing::new) {
            Ok(text) if !text.trim_end().is_empty() => Some(Secret::new(text.trim_end().into())),
            Ok(_) => {
                self.refuse_value(key, "the file is empty: write the secret into it");
                None
            }
            Err(e) => {
                let why = format!("{e}: name a text file that this user may read");
                self.refuse_value(key, &why);
                None
            }
        }
    }
}
